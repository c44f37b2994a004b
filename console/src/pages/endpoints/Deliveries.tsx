import { Badge, Button, Group, Select, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { MessageText } from "../../components/MessageText";
import { TimeText } from "../../components/TimeText";
import { fullTime } from "../../text/times";
import { DELIVERIES, type Delivery, type Endpoint, ENDPOINT_UPDATED, REDELIVER, TEST } from "./documents";
import { EVENT_NAMES } from "./EndpointModal";

const STATUSES: Record<Delivery["status"], { label: string; color: string }> = {
  PENDING: { label: "Waiting", color: "blue" },
  DELIVERED: { label: "Arrived", color: "green" },
  FAILED: { label: "Failed", color: "red" },
};

/** What the endpoint answered, in words. */
function answerOf(delivery: Delivery): string {
  const tries = delivery.attempts > 1 ? `, attempt ${delivery.attempts}` : "";
  if (delivery.error) return `${delivery.error}${tries && ` (${delivery.attempts} attempts)`}`;
  if (delivery.answerStatus === null) return "";
  return `${delivery.answerStatus} in ${delivery.durationMs} ms${tries}`;
}

const CHOICES = Object.entries(STATUSES).map(([value, { label }]) => ({ value, label }));

function columnsWith(isCallback: boolean, redeliver: (delivery: Delivery) => void): Column<Delivery>[] {
  return [
    { header: "When", cell: ({ occurredAt }) => <TimeText at={occurredAt} /> },
    isCallback
      ? { header: "Address", cell: ({ url }) => <MessageText text={url ?? "–"} lines={2} /> }
      : { header: "Event", cell: ({ type }) => EVENT_NAMES[type] },
    {
      header: "Status",
      cell: ({ status }) => (
        <Badge variant="dot" color={STATUSES[status].color}>
          {STATUSES[status].label}
        </Badge>
      ),
    },
    {
      header: "Answer",
      cell: (delivery) => <MessageText text={answerOf(delivery)} lines={2} />,
      isWide: true,
    },
    actionColumn([
      ({ status }) => status !== "PENDING" && "Post again",
      ({ occurredAt }) => `Post again the event of ${fullTime(occurredAt)}`,
      redeliver,
    ]),
  ];
}

interface DeliveriesProps {
  endpoint: Endpoint;
  /** It is a host, and each delivery has another address. */
  isCallback: boolean;
  onChange: () => void;
}

/** What was posted to an endpoint, as it happens. */
export function Deliveries({ endpoint, isCallback, onChange }: DeliveriesProps) {
  const [status, setStatus] = useState<Delivery["status"] | null>(null);
  const pages = usePages(
    DELIVERIES,
    { endpointId: endpoint.id, status },
    (data) => data.webhookDeliveries,
  );
  const again = useAction(REDELIVER);
  const test = useAction(TEST);
  const { refresh } = pages;
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
        {!isCallback && (
          <Button
            variant="default"
            loading={test.isBusy}
            disabled={endpoint.status === "PAUSED"}
            onClick={() => void test.run({ id: endpoint.id })}
          >
            Post a test
          </Button>
        )}
      </Group>
      <Text c="dimmed" size="sm">
        Of the last 7 days. What did not arrive is posted again for 24 hours.
      </Text>
      <Select
        aria-label="Status"
        placeholder="All statuses"
        data={CHOICES}
        value={status}
        onChange={(value) => setStatus(value as Delivery["status"] | null)}
        clearable
        maw={220}
      />
      <FailureNote failure={again.failure ?? test.failure} />
      <DataTable
        label="Deliveries"
        pages={pages}
        columns={columnsWith(isCallback, ({ id }) => void again.run({ deliveryId: id }))}
        empty={
          <EmptyState title={status ? "No delivery has this status" : "Nothing was posted yet"}>
            {!status && !isCallback && "Post a test to see what comes back."}
          </EmptyState>
        }
      />
    </>
  );
}
