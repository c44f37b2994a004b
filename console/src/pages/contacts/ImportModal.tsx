import { Alert, Button, FileInput, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { type Upload, uploadFile } from "../../api/client";
import type { ResultOf } from "../../api/graphql";
import { type Success, useAction } from "../../api/useAction";
import { FailureNote } from "../../components/FailureNote";
import { LeftOutNote } from "../../components/LeftOutNote";
import { RejectedList } from "../../components/RejectedList";
import { count } from "../../text/numbers";
import { IMPORT } from "./documents";

type Imported = Success<ResultOf<typeof IMPORT>["result"]>;

interface ImportModalProps {
  isOpen: boolean;
  onClose: () => void;
  onChange: () => void;
}

export function ImportModal({ isOpen, onClose, onChange }: ImportModalProps) {
  const [file, setFile] = useState<File | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isReading, setReading] = useState(false);
  const [upload, setUpload] = useState<Upload | null>(null);
  const [imported, setImported] = useState<Imported | null>(null);
  const action = useAction(IMPORT);

  async function run() {
    if (!file) return;
    setUpload(null);
    setImported(null);
    setProblem(null);
    setReading(true);
    try {
      const kept = await uploadFile(file);
      setUpload(kept);
      const { success } = await action.run({ uploadId: kept.uploadId });
      setImported(success);
      if (success) onChange();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The file could not be read.");
    }
    setReading(false);
  }

  return (
    <Modal opened={isOpen} onClose={onClose} title="Import contacts" size="lg" centered>
      <Stack>
        <Text size="sm">
          A CSV or XLSX file with a column of numbers, and columns of names and businesses if there are any.
          Contacts that exist are updated. Opt-outs stay as they are.
        </Text>
        <FileInput
          label="File"
          placeholder="Choose a file"
          accept=".csv,.tsv,.txt,.xlsx"
          value={file}
          onChange={setFile}
          error={problem}
        />
        <FailureNote failure={action.failure} />
        {imported && (
          <Alert color="green" variant="outline" role="status">
            {count(imported.created)} added, {count(imported.updated)} updated. Numbers were read
            from {imported.columns.numbers.join(", ")}.
            {imported.columns.leftOut.length > 0 &&
              ` Not read: ${imported.columns.leftOut.join(", ")}.`}
          </Alert>
        )}
        {upload && <LeftOutNote upload={upload} />}
        {imported && (
          <RejectedList
            rejected={imported.rejected}
            total={imported.rejected.length}
            positionName={upload?.sheet == null ? "Line" : "Row"}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
          <Button loading={isReading} disabled={!file} onClick={() => void run()}>
            Import
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
