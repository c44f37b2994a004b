import { Alert, Button, Group, Stack, Text, Textarea } from "@mantine/core";
import { getHotkeyHandler } from "@mantine/hooks";
import { SendHorizontal } from "lucide-react";
import { type FormEvent, useState } from "react";
import { forgetKey, keyFor } from "../../api/keys";
import { useAction } from "../../api/useAction";
import { useBalances } from "../../app/balances";
import { FailureNote } from "../../components/FailureNote";
import { useDraft } from "../../components/useDraft";
import { units } from "../../text/numbers";
import { REPLY } from "./documents";

interface ReplyFormProps {
  conversationId: string;
  /** Whether the reply leaves through the line that the last message came in on. */
  isPinned: boolean;
  onSent: () => void;
}

export function ReplyForm({ conversationId, isPinned, onSent }: ReplyFormProps) {
  const [text, setText] = useDraft(`reply-${conversationId}`);
  const [warning, setWarning] = useState<string | null>(null);
  const change = `reply-${conversationId}`;
  const reply = useAction(REPLY);
  const account = useBalances()?.account;

  async function send() {
    if (!text.trim() || reply.isBusy) return;
    const input = { conversationId, text, idempotencyKey: keyFor(change, text) };
    const { success } = await reply.run({ input });
    if (!success) return;
    forgetKey(change);
    setWarning(success.warning);
    setText("");
    onSent();
  }

  return (
    <form
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void send();
      }}
    >
      <Stack gap="xs">
        {!isPinned && (
          <Alert color="orange" variant="outline">
            A reply may leave from another number than the one that this person wrote to.
          </Alert>
        )}
        <Textarea
          dir="auto"
          label="Reply"
          autosize
          minRows={2}
          maxRows={8}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={getHotkeyHandler([["mod+Enter", () => void send()]])}
        />
        <FailureNote failure={reply.failure} />
        {warning && (
          <Alert color="orange" variant="outline" role="status">
            {warning}
          </Alert>
        )}
        <Group justify="space-between">
          <Text size="xs" c="dimmed">
            Ctrl + Enter sends.{account && ` A reply costs ${units(account.pricePerMessage, account.unit)}.`}
          </Text>
          <Button
            type="submit"
            loading={reply.isBusy}
            disabled={!text.trim()}
            leftSection={<SendHorizontal size={16} aria-hidden />}
          >
            Send the reply
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
