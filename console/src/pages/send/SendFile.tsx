import { Button, FileInput, Group, Select, Stack, Text, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type Upload, uploadFile } from "../../api/client";
import { FailureNote } from "../../components/FailureNote";
import { useDraft } from "../../components/useDraft";
import { count } from "../../text/numbers";
import { SEND_FILE } from "./documents";
import { useSend } from "./useSend";

/** The rows of a file: their numbers, and values for the text. */
export function SendFile() {
  const [upload, setUpload] = useState<Upload | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isReading, setReading] = useState(false);
  const [column, setColumn] = useState<string | null>(null);
  const [textColumn, setTextColumn] = useState<string | null>(null);
  const [text, setText] = useDraft("send-file-text");
  const sending = useSend(SEND_FILE);

  async function choose(file: File | null) {
    setUpload(null);
    setProblem(null);
    setColumn(null);
    setTextColumn(null);
    if (!file) return;
    setReading(true);
    try {
      setUpload(await uploadFile(file));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The file could not be read.");
    }
    setReading(false);
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!upload) return;
    const words = textColumn ? { textColumn } : { text };
    await sending.send({ uploadId: upload.uploadId, column, ...words });
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack maw={640}>
        <FileInput
          label="File"
          description="CSV, with the names of the columns in the first row."
          placeholder="Choose a file"
          accept=".csv,text/csv,text/plain"
          onChange={(file) => void choose(file)}
          error={problem}
          disabled={isReading}
          clearable
        />
        {upload && (
          <>
            <Text>
              {count(upload.rows)} rows. Columns: {upload.columns.join(", ")}
            </Text>
            <Select
              label="Column of the numbers"
              placeholder="Found by its name and content"
              data={upload.columns}
              value={column}
              onChange={setColumn}
              clearable
            />
            <Select
              label="Column of the texts"
              placeholder="None: one text for all rows"
              data={upload.columns}
              value={textColumn}
              onChange={setTextColumn}
              clearable
            />
            {!textColumn && <TextWithColumns text={text} onChange={setText} columns={upload.columns} />}
            <FailureNote failure={sending.failure} />
            <Group>
              <Button type="submit" loading={sending.isBusy} disabled={!textColumn && !text}>
                Send to {count(upload.rows)} rows
              </Button>
            </Group>
          </>
        )}
      </Stack>
    </form>
  );
}

function TextWithColumns(props: { text: string; onChange: (text: string) => void; columns: string[] }) {
  return (
    <>
      <Textarea
        label="Text"
        description="{{column}} stands for what a row has in that column."
        autosize
        minRows={3}
        value={props.text}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      />
      <Group gap={6}>
        {props.columns.map((name) => (
          <Button
            key={name}
            size="compact-xs"
            variant="default"
            onClick={() => props.onChange(`${props.text}{{${name}}}`)}
          >
            Insert {name}
          </Button>
        ))}
      </Group>
    </>
  );
}
