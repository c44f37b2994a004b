import { Button, Checkbox, Code, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { FailureNote } from "../../components/FailureNote";
import { MessageText } from "../../components/MessageText";
import { useReturnFocus } from "../../components/useReturnFocus";
import { phone } from "../../text/phones";
import { fullTime } from "../../text/times";
import { ASSIGN, type WebhookEvent } from "./documents";

interface EventModalProps {
  event: WebhookEvent | null;
  onClose: () => void;
  onChange: () => void;
}

/** One event with its payload. An unrouted one can be given to a client. */
export function EventModal({ event, onClose, onChange }: EventModalProps) {
  const [clientId, setClientId] = useState<string | null>(null);
  const [remember, setRemember] = useState(false);
  const assign = useAction(ASSIGN);
  useReturnFocus(event !== null);

  async function submit() {
    if (!event || !clientId) return;
    const input = { webhookEventId: event.id, clientId, remember };
    const { success } = await assign.run({ input });
    if (!success) return;
    onChange();
    onClose();
  }

  return (
    <Modal opened={event !== null} onClose={onClose} title="Webhook event" size="lg" centered>
      {event && (
        <Stack>
          <Text size="sm">
            {fullTime(event.receivedAt)} · {event.provider}
            {event.client && ` · ${event.client.name}`}
            {event.modem && ` · modem ${event.modem}, port ${event.port ?? "–"}`}
          </Text>
          <Text size="sm">{event.reason}</Text>
          {event.inbound && (
            <div>
              <Text size="sm" fw={600}>
                {phone(event.inbound.number)}
              </Text>
              <MessageText text={event.inbound.text} />
            </div>
          )}
          <Code block tabIndex={0} mah={240}>
            {JSON.stringify(event.payload, null, 2)}
          </Code>
          {event.outcome === "UNROUTED" && (
            <>
              <ClientPicker label="Assign to" withLabel value={clientId} onChange={setClientId} />
              <Checkbox
                label="Also route this modem and port there from now on"
                checked={remember}
                onChange={(change) => setRemember(change.currentTarget.checked)}
                disabled={!event.modem}
              />
              <FailureNote failure={assign.failure} />
            </>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            {event.outcome === "UNROUTED" && (
              <Button disabled={!clientId} loading={assign.isBusy} onClick={() => void submit()}>
                Assign
              </Button>
            )}
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
