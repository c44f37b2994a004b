import { SimpleGrid } from "@mantine/core";
import { useThrottledCallback } from "@mantine/hooks";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { FailureNote } from "../../components/FailureNote";
import { Figure } from "../../components/Figure";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { count } from "../../text/numbers";
import { STATUS, WEBHOOK_RECEIVED } from "./documents";

/** Whether events still arrive, and where the last one went. */
export function StatusCard() {
  const { data, failure, reload } = useData(STATUS, {});
  const reloadSoon = useThrottledCallback(reload, 1_000);
  useLive(WEBHOOK_RECEIVED, {}, reloadSoon);
  if (failure) return <FailureNote failure={failure} />;
  if (!data) return <Waiting lines={2} />;
  const { lastEvent, lastRoutedClient, eventsLastHour, unrouted, pendingOptOuts, refusedLastHour } = data.webhookStatus;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
      <Figure
        label="Last event from"
        value={lastEvent ? (lastEvent.modem ?? lastEvent.provider) : "None yet"}
        note={
          lastEvent && (
            <>
              {lastEvent.port && `Port ${lastEvent.port}, `}
              <TimeText at={lastEvent.receivedAt} relative />
            </>
          )
        }
      />
      <Figure label="Last routed to" value={lastRoutedClient?.name ?? "–"} />
      <Figure label="Events in the last hour" value={count(eventsLastHour)} note={`${count(refusedLastHour)} refused`} />
      <Figure label="Unrouted" value={count(unrouted)} note={unrouted > 0 ? `${count(pendingOptOuts)} of them opt-outs. Assign them below` : "Nothing to do"} />
    </SimpleGrid>
  );
}
