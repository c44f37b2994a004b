import { Radio, Stack, Text, Textarea } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { FormModal } from "../../components/FormModal";
import { MessageText } from "../../components/MessageText";
import { useForm } from "../../components/useForm";
import { phone } from "../../text/phones";
import { SETTLE, type UnknownMessage } from "./documents";

interface SettleModalProps {
  message: UnknownMessage;
  onClose: () => void;
  onChange: () => void;
}

/** Records a person's decision about one message. */
export function SettleModal({ message, onClose, onChange }: SettleModalProps) {
  const settle = useAction(SETTLE);
  const form = useForm({ outcome: null as string | null, note: "" }, settle);
  const { outcome, note } = form.values;
  const input = { messageId: message.id, taken: outcome === "taken", note: note.trim() || null };
  return (
    <FormModal
      title="Settle the message"
      verb="Settle"
      canSave={outcome !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={() => settle.run({ input })}
    >
      <div>
        <Text fw={600}>{phone(message.number)}</Text>
        <MessageText text={message.text} lines={3} />
      </div>
      <Radio.Group label="What happened?" {...form.value("outcome")}>
        <Stack gap="xs" mt="xs">
          <Radio
            value="taken"
            label="The provider accepted it"
            description="It counts as sent and stays charged."
          />
          <Radio
            value="not-taken"
            label="The provider did not accept it"
            description="It is rejected, and the charge is given back."
          />
        </Stack>
      </Radio.Group>
      <Textarea
        label="How do you know?"
        description="Kept with the decision."
        maxLength={1000}
        required
        {...form.text("note")}
      />
    </FormModal>
  );
}
