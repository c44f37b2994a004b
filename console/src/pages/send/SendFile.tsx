import { FileInput, Stack } from "@mantine/core";
import { useState } from "react";
import { type Upload, uploadFile } from "../../api/client";
import { FileForm } from "./FileForm";

/** The rows of a file: their numbers, and values for the text. */
export function SendFile() {
  const [upload, setUpload] = useState<Upload | null>(null);
  const [fileKey, setFileKey] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isReading, setReading] = useState(false);

  async function choose(file: File | null) {
    setUpload(null);
    setProblem(null);
    if (!file) return;
    setReading(true);
    try {
      setUpload(await uploadFile(file));
      setFileKey(`${file.name}, ${file.size}, ${file.lastModified}`);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The file could not be read.");
    }
    setReading(false);
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
        disabled={isReading}
        clearable
        maw={640}
      />
      {upload && <FileForm key={upload.uploadId} upload={upload} fileKey={fileKey} />}
    </Stack>
  );
}
