import { FileInput, Stack, Text } from "@mantine/core";
import { useRef, useState } from "react";
import { type Upload, uploadFile } from "../../api/client";
import { units } from "../../text/numbers";
import { FileForm } from "./FileForm";

/** The rows of a file: their numbers, and values for the text. */
export function SendFile() {
  const [upload, setUpload] = useState<Upload | null>(null);
  const [fileKey, setFileKey] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isReading, setReading] = useState(false);

  // Another file can be chosen, or none, while one is uploaded.
  const latest = useRef<File | null>(null);

  async function choose(file: File | null) {
    latest.current = file;
    setUpload(null);
    setProblem(null);
    setReading(file !== null);
    if (!file) return;
    const result = await uploadFile(file).catch((error: unknown) => error);
    if (latest.current !== file) return;
    setReading(false);
    if (result instanceof Error) setProblem(result.message);
    else setUpload(result as Upload);
    setFileKey(`${file.name}, ${file.size}, ${file.lastModified}`);
  }

  return (
    <Stack>
      <FileInput
        label="File"
        description="CSV or XLSX, with the names of the columns in the first row."
        placeholder="Choose a file"
        accept=".csv,.tsv,.txt,.xlsx"
        onChange={(file) => void choose(file)}
        error={problem}
        clearable
        maw={640}
      />
      <Text role="status" size="sm" c="dimmed">
        {isReading && "The file is being uploaded …"}
        {upload && `The file was uploaded: ${units(upload.rows, "row")}.`}
      </Text>
      {upload && <FileForm key={upload.uploadId} upload={upload} fileKey={fileKey} />}
    </Stack>
  );
}
