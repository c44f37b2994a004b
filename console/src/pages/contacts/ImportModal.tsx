import { Alert, Button, FileInput, Group, Modal, Select, Stack, Text } from "@mantine/core";
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
  const [column, setColumn] = useState<string | null>(null);
  const action = useAction(IMPORT);

  function choose(chosen: File | null) {
    setFile(chosen);
    setUpload(null);
    setImported(null);
    setColumn(null);
    action.clear();
  }

  async function run() {
    if (!file) return;
    setImported(null);
    setProblem(null);
    setReading(true);
    try {
      const kept = upload ?? (await uploadFile(file));
      setUpload(kept);
      if (kept.numberColumns.length > 0 || column !== null) {
        const { success } = await action.run({ uploadId: kept.uploadId, column });
        setImported(success);
        if (success) onChange();
      }
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The file could not be read.");
    }
    setReading(false);
  }

  const isUnclear = upload !== null && upload.numberColumns.length === 0 && imported === null;
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
          onChange={choose}
          error={problem}
        />
        {isUnclear && (
          <Select
            label="Column of the numbers"
            description="No name of a column says that it holds phone numbers."
            placeholder="Choose a column"
            data={upload.columns}
            value={column}
            onChange={setColumn}
            allowDeselect={false}
            required
          />
        )}
        <FailureNote failure={action.failure} />
        {imported && (
          <Alert color="green" variant="outline" role="status">
            {count(imported.created)} added, {count(imported.updated)} updated.
            {imported.created + imported.updated + imported.rejected.length === 0 &&
              " All contacts of the file were there already."}{" "}
            Numbers were read from {imported.columns.numbers.join(", ")}.
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
          <Button loading={isReading} disabled={!file || (isUnclear && column === null)} onClick={() => void run()}>
            Import
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
