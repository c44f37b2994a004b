import { Button, Group, Modal, Radio, Stack, Text, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useAction } from "../../api/useAction";
import { FailureNote, problemOf } from "../../components/FailureNote";
import { MessageText } from "../../components/MessageText";
import { phone } from "../../text/phones";
import { SETTLE, type UnknownMessage } from "./documents";

interface SettleModalProps {
  message: UnknownMessage | null;
  onClose: () => void;
  onChange: () => void;
}

/** Records a person's decision about one message. */
export function SettleModal({ message, onClose, onChange }: SettleModalProps) {
  const [outcome, setOutcome] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const settle = useAction(SETTLE);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!message) return;
    const input = { messageId: message.id, taken: outcome === "taken", note: note.trim() || null };
    const { success } = await settle.run({ input });
    if (!success) return;
    onChange();
    onClose();
  }

  return (
    <Modal opened={message !== null} onClose={onClose} title="Settle the message" centered>
      {message && (
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            <div>
              <Text fw={600}>{phone(message.number)}</Text>
              <MessageText text={message.text} lines={3} />
            </div>
            <Radio.Group label="What happened?" value={outcome} onChange={setOutcome}>
              <Stack gap="xs" mt="xs">
                <Radio value="taken" label="The provider accepted it" description="It counts as sent and stays charged." />
                <Radio value="not-taken" label="The provider did not accept it" description="It is rejected, and the charge is given back." />
              </Stack>
            </Radio.Group>
            <Textarea
              label="How do you know?"
              description="Kept with the decision."
              value={note}
              onChange={(event) => setNote(event.currentTarget.value)}
              error={problemOf(settle.failure, "note")}
              maxLength={1000}
              required
            />
            <FailureNote failure={settle.failure} fields={["note"]} />
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                Close
              </Button>
              <Button type="submit" loading={settle.isBusy} disabled={outcome === null}>
                Settle
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}
