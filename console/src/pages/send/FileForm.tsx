import { Alert, Button, Checkbox, Group, Select, Text, Textarea } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { Upload } from "../../api/client";
import { useData } from "../../api/useData";
import { LeftOutNote } from "../../components/LeftOutNote";
import { SendLater, useWhen, whenOf } from "../../components/SendLater";
import { useDraft } from "../../components/useDraft";
import { units } from "../../text/numbers";
import { QUOTE_FILE, SEND_FILE } from "./documents";
import { FileQuotePanel } from "./FileQuotePanel";
import { SendForm } from "./SendForm";
import { TemplatePicker } from "./TemplatePicker";
import { useSend } from "./useSend";

interface FileFormProps {
  upload: Upload;
  /** What the file is known by if it is chosen again. */
  fileKey: string;
}

/** Columns and text for a file that is uploaded, and what the send would do. */
export function FileForm({ upload, fileKey }: FileFormProps) {
  const [column, setColumn] = useState<string | null>(upload.numberColumn);
  const [textColumn, setTextColumn] = useState<string | null>(null);
  const [allowMissingValues, setAllowMissing] = useState(false);
  const [text, setText] = useDraft("send-file-text");
  const { when, setWhen, sendNow } = useWhen();
  const sending = useSend(SEND_FILE);

  const words = textColumn ? { textColumn } : { text };
  const input = { uploadId: upload.uploadId, column, allowMissingValues, ...words, ...whenOf(when) };
  const [asked] = useDebouncedValue(JSON.stringify(input), 400);
  const isComplete = column !== null && (textColumn !== null || text !== "");
  const { data, failure, isFetching } = useData(
    QUOTE_FILE,
    { input: JSON.parse(asked) as typeof input },
    { isPaused: !isComplete },
  );
  const quote = isComplete ? (data?.quoteCsv ?? null) : null;
  const isPresent = asked === JSON.stringify(input) && !isFetching;

  async function send() {
    // Chosen again after a reload, the same file has another upload.
    if (await sending.send(input, { ...input, uploadId: fileKey })) {
      setText("");
      sendNow();
    }
  }

  return (
    <SendForm
      quotePanel={<FileQuotePanel quote={quote} positionName={upload.sheet === null ? "Line" : "Row"} />}
      accepted={quote?.accepted ?? 0}
      isLater={when.time !== ""}
      isReady={isPresent && quote !== null && quote.accepted > 0 && quote.affordable}
      isBusy={sending.isBusy}
      failure={sending.failure ?? (isComplete ? failure : null)}
      onSend={send}
    >
      <Text>
        {units(upload.rows, "row")}
        {upload.sheet !== null && ` of the sheet “${upload.sheet}”`}. Columns:{" "}
        {upload.columns.join(", ")}
      </Text>
      <LeftOutNote upload={upload} />
      {column === null && (
        <Alert color="orange" variant="outline">
          {upload.numberColumns.length > 1
            ? `Several columns may hold the numbers: ${upload.numberColumns.join(", ")}.`
            : "No name of a column says that it holds phone numbers."}{" "}
          Choose the column to send to.
        </Alert>
      )}
      <Select
        label="Column of the numbers"
        description={
          upload.numberColumn ? `Found in the file: ${upload.numberColumn}. Choose another one if it is wrong.` : undefined
        }
        placeholder="Choose a column"
        data={upload.columns}
        value={column}
        onChange={setColumn}
        allowDeselect={false}
        required
      />
      {column !== null && <NotSentTo upload={upload} column={column} />}
      <Select
        label="Column of the texts"
        placeholder="None: one text for all rows"
        data={upload.columns}
        value={textColumn}
        onChange={setTextColumn}
        clearable
      />
      {!textColumn && (
        <>
          <TemplatePicker template={null} onPick={(picked) => picked && setText(picked.text)} />
          <TextWithColumns text={text} onChange={setText} columns={upload.columns} />
        </>
      )}
      <Checkbox
        label="Also send to rows without a value for a column in the text"
        checked={allowMissingValues}
        onChange={(event) => setAllowMissing(event.currentTarget.checked)}
      />
      <SendLater when={when} onChange={setWhen} />
    </SendForm>
  );
}

/** One column is sent to: says so if another one may hold phone numbers too. */
function NotSentTo({ upload, column }: { upload: Upload; column: string }) {
  const isKnown = upload.phoneColumns.includes(column);
  const columns = upload.phoneColumns.filter((each) => each !== column);
  if ((isKnown && columns.length === 0) || upload.columns.length === 1) return null;
  return (
    <Alert color="orange" variant="outline" role="status" title="Only one column is sent to">
      The numbers in “{column}” are used{columns.length > 0 ? `. Not used: ${columns.join(", ")}` : ", and no others"}.
      To reach the people of another column too, send the file again with that column.
    </Alert>
  );
}

interface TextWithColumnsProps {
  text: string;
  onChange: (text: string) => void;
  columns: string[];
}

function TextWithColumns({ text, onChange, columns }: TextWithColumnsProps) {
  const field = useRef<HTMLTextAreaElement>(null);

  /** Writes a word where the cursor is or was. */
  function insert(word: string) {
    const at = field.current?.selectionEnd ?? text.length;
    flushSync(() => onChange(text.slice(0, at) + word + text.slice(at)));
    field.current?.setSelectionRange(at + word.length, at + word.length);
  }

  return (
    <>
      <Textarea
        ref={field}
        dir="auto"
        label="Text"
        description="{{column}} is replaced by the value of that column in each row."
        autosize
        minRows={3}
        value={text}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      <Group gap={6}>
        {columns.map((name) => (
          <Button
            key={name}
            size="compact-xs"
            variant="default"
            onClick={() => insert(`{{${name}}}`)}
          >
            Insert {name}
          </Button>
        ))}
      </Group>
    </>
  );
}
