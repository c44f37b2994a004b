import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useThrottledCallback } from "@mantine/hooks";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { TimeText } from "../../components/TimeText";
import { phone } from "../../text/phones";
import { fullTime } from "../../text/times";
import { WAITING_EVENTS, WEBHOOK_RECEIVED, type WebhookEvent } from "./documents";

/** STOPs that block a number for several clients: they are decided before anything else. */
export function WaitingStops({ onOpen }: { onOpen: (event: WebhookEvent) => void }) {
  const { data, reload } = useData(WAITING_EVENTS, {}, { types: ["WebhookEvent"] });
  const reloadSoon = useThrottledCallback(reload, 1_000);
  useLive(WEBHOOK_RECEIVED, {}, reloadSoon);
  const stops = data?.webhookEvents.nodes.filter(({ optOutPending }) => optOutPending) ?? [];
  if (stops.length === 0) return null;
  return (
    <Alert color="red" variant="outline" title="Opt-outs that wait for a decision">
      <Stack gap="xs" component="section" aria-label="Opt-outs that wait for a decision">
        <Text size="sm">
          Each number is blocked for all of these clients until you say whom the STOP was for.
        </Text>
        {stops.map((event) => (
          <Group key={event.id} justify="space-between">
            <Text size="sm">
              {event.inbound ? phone(event.inbound.number) : (event.sender ?? event.provider)},{" "}
              <TimeText at={event.receivedAt} relative />
            </Text>
            <Button variant="default" size="compact-sm" onClick={() => onOpen(event)}>
              Decide
              <span className="visually-hidden"> the opt-out of {fullTime(event.receivedAt)}</span>
            </Button>
          </Group>
        ))}
      </Stack>
    </Alert>
  );
}
