import { Badge, Button, Group, Text, Title } from "@mantine/core";
import { useMemo } from "react";
import type { ResultOf } from "../../api/graphql";
import { useAction } from "../../api/useAction";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { MessageText } from "../../components/MessageText";
import { TimeText } from "../../components/TimeText";
import { DELIVERIES, type Delivery, type Endpoint, ENDPOINT_UPDATED, REDELIVER, TEST } from "./documents";
import { EVENT_NAMES } from "./EndpointModal";

const STATUSES: Record<Delivery["status"], { label: string; color: string }> = {
  PENDING: { label: "Waiting", color: "blue" },
  DELIVERED: { label: "Arrived", color: "green" },
  FAILED: { label: "Failed", color: "red" },
};

const column = columnsOf<Delivery>();
const deliveriesOf = (data: ResultOf<typeof DELIVERIES>) => data.webhookDeliveries;
const idOf = (delivery: Delivery) => delivery.id;

/** What the endpoint answered, in words. */
function answerOf(delivery: Delivery): string {
  const tries = delivery.attempts > 1 ? `, attempt ${delivery.attempts}` : "";
  if (delivery.error) return `${delivery.error}${tries && ` (${delivery.attempts} attempts)`}`;
  if (delivery.answerStatus === null) return "";
  return `${delivery.answerStatus} in ${delivery.durationMs} ms${tries}`;
}

function columnsWith(redeliver: (delivery: Delivery) => void) {
  return column.columns([
    column.accessor("occurredAt", { header: "When", cell: ({ getValue }) => <TimeText at={getValue()} /> }),
    column.accessor("type", { header: "Event", cell: ({ getValue }) => EVENT_NAMES[getValue()] }),
    column.accessor("status", {
      header: "Status",
      cell: ({ getValue }) => (
        <Badge variant="dot" color={STATUSES[getValue()].color} style={{ textTransform: "none" }}>
          {STATUSES[getValue()].label}
        </Badge>
      ),
    }),
    column.display({
      id: "answer",
      header: "Answer",
      cell: ({ row }) => <MessageText text={answerOf(row.original)} lines={2} />,
      meta: { isWide: true },
    }),
    column.display({
      id: "again",
      header: () => <span className="visually-hidden">Actions</span>,
      cell: ({ row: { original } }) =>
        original.status !== "PENDING" && (
          <Button variant="default" size="compact-sm" onClick={() => redeliver(original)}>
            Post again
            <span className="visually-hidden"> the event of {original.occurredAt}</span>
          </Button>
        ),
      meta: { isNumber: true },
    }),
  ]);
}

/** What was posted to an endpoint, as it happens. */
export function Deliveries({ endpoint, onChange }: { endpoint: Endpoint; onChange: () => void }) {
  const pages = usePages(DELIVERIES, { endpointId: endpoint.id }, deliveriesOf, idOf);
  const again = useAction(REDELIVER);
  const test = useAction(TEST);
  const { refresh } = pages;
  const { run } = again;
  // biome-ignore lint: `run` is made again each time, but does the same.
  const columns = useMemo(() => columnsWith(({ id }) => void run({ deliveryId: id })), []);
  useLive(ENDPOINT_UPDATED, { id: endpoint.id }, (events) => {
    refresh();
    if (events.at(-1)?.webhookEndpointUpdated.status !== endpoint.status) onChange();
  });
  return (
    <>
      <Group justify="space-between">
        <Title order={2} size="h4" style={{ overflowWrap: "anywhere" }}>
          Deliveries to {endpoint.url}
        </Title>
        <Button
          variant="default"
          loading={test.isBusy}
          disabled={endpoint.status === "PAUSED"}
          onClick={() => void test.run({ id: endpoint.id })}
        >
          Post a test
        </Button>
      </Group>
      <Text c="dimmed" size="sm">
        Of the last 7 days. What did not arrive is posted again for 24 hours.
      </Text>
      <FailureNote failure={again.failure ?? test.failure} />
      <DataTable
        label="Deliveries"
        pages={pages}
        columns={columns}
        empty={<EmptyState title="Nothing was posted yet">Post a test to see what comes back.</EmptyState>}
      />
    </>
  );
}
