import { Button, Radio, Stack, Text, Textarea } from "@mantine/core";
import { useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { type Success, useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { FailureNote, problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { count, units } from "../../text/numbers";
import { SETTLE_MANY } from "./documents";

type Preview = Success<ResultOf<typeof SETTLE_MANY>["result"]>;

interface SettleManyModalProps {
  isOpen: boolean;
  onClose: () => void;
  onChange: () => void;
}

/** Settles many messages in one way: first a preview, then exactly what it showed. */
export function SettleManyModal({ isOpen, onClose, onChange }: SettleManyModalProps) {
  const [clientId, setClientId] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const [preview, setPreview] = useState<Preview | null>(null);
  const look = useAction(SETTLE_MANY);
  const settle = useAction(SETTLE_MANY);
  const taken = outcome === "taken";

  async function show() {
    const input = { filter: { clientId }, taken, dryRun: true };
    setPreview((await look.run({ input })).success);
  }

  async function save() {
    if (!preview) return undefined;
    // Messages that became unknown after the preview are left alone.
    const filter = { clientId, attemptedBefore: preview.attemptedBefore };
    for (;;) {
      const answer = await settle.run({ input: { filter, taken, note } });
      if (!answer.success || answer.success.remaining === 0) return answer;
    }
  }

  return (
    <FormModal
      title="Settle many messages"
      verb={`Settle ${preview ? count(preview.messages) : ""}`}
      isOpen={isOpen}
      canSave={preview !== null && preview.messages > 0 && note.trim() !== ""}
      form={{ ...settle, names: ["note"] }}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
    >
      <ClientPicker
        label="Only of this client"
        withLabel
        value={clientId}
        onChange={(id) => {
          setClientId(id);
          setPreview(null);
        }}
      />
      <Radio.Group
        label="What happened to them?"
        value={outcome}
        onChange={(value) => {
          setOutcome(value);
          setPreview(null);
        }}
      >
        <Stack gap="xs" mt="xs">
          <Radio value="taken" label="The provider accepted them" />
          <Radio value="not-taken" label="The provider did not accept them" />
        </Stack>
      </Radio.Group>
      <Button
        variant="default"
        disabled={outcome === null}
        loading={look.isBusy}
        onClick={() => void show()}
      >
        Preview
      </Button>
      <FailureNote failure={look.failure} />
      {preview && (
        <>
          <Text role="status">
            {preview.messages === 0
              ? "No message matches."
              : `${units(preview.messages, "message")}, ${preview.totals
                  .map((total) => units(total.units, total.unit))
                  .join(" and ")}. ${taken ? "They stay charged." : "The charges are given back."}`}
          </Text>
          <Textarea
            label="How do you know?"
            description="Kept with the decision. Clients do not see it."
            value={note}
            onChange={(event) => setNote(event.currentTarget.value)}
            error={problemOf(settle.failure, "note")}
            maxLength={1000}
          />
        </>
      )}
    </FormModal>
  );
}
