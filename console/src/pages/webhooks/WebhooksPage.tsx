import { Badge, Button, Select } from "@mantine/core";
import { useMemo, useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { MessageText } from "../../components/MessageText";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { EVENTS, type Outcome, WEBHOOK_RECEIVED, type WebhookEvent } from "./documents";
import { EventModal } from "./EventModal";
import { StatusCard } from "./StatusCard";
import { WaitingStops } from "./WaitingStops";

const OUTCOMES: Record<Outcome, { label: string; color: string }> = {
  ROUTED: { label: "Routed", color: "green" },
  UNROUTED: { label: "Unrouted", color: "orange" },
  DUPLICATE: { label: "Duplicate", color: "gray" },
  REFUSED: { label: "Refused", color: "red" },
  INVALID: { label: "Invalid", color: "red" },
};
const CHOICES = Object.entries(OUTCOMES).map(([value, { label }]) => ({ value, label }));

const column = columnsOf<WebhookEvent>();
const eventsOf = (data: ResultOf<typeof EVENTS>) => data.webhookEvents;
const idOf = (event: WebhookEvent) => event.id;

function columnsWith(open: (event: WebhookEvent) => void) {
  return column.columns([
    column.accessor("receivedAt", { header: "When", cell: ({ getValue }) => <TimeText at={getValue()} /> }),
    column.accessor("outcome", {
      header: "Outcome",
      cell: ({ row: { original } }) => (
        <Badge variant="dot" color={OUTCOMES[original.outcome].color} style={{ textTransform: "none" }}>
          {OUTCOMES[original.outcome].label}
          {original.times > 1 ? ` × ${original.times}` : ""}
        </Badge>
      ),
    }),
    column.display({ id: "client", header: "Client", cell: ({ row }) => row.original.client?.name ?? "–" }),
    column.display({
      id: "line",
      header: "Modem / port",
      cell: ({ row: { original } }) => (original.modem ? `${original.modem} / ${original.port ?? "–"}` : "–"),
      meta: { isWide: true },
    }),
    column.accessor("reason", {
      header: "Why",
      cell: ({ getValue }) => <MessageText text={getValue()} lines={1} />,
      meta: { isWide: true },
    }),
    column.display({
      id: "open",
      header: () => <span className="visually-hidden">Actions</span>,
      cell: ({ row: { original } }) => (
        <Button variant="default" size="compact-sm" onClick={() => open(original)}>
          {original.outcome === "UNROUTED" ? "Assign" : "Open"}
          <span className="visually-hidden"> event of {original.receivedAt}</span>
        </Button>
      ),
      meta: { isNumber: true },
    }),
  ]);
}

export function WebhooksPage() {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [opened, setOpened] = useState<WebhookEvent | null>(null);
  const pages = usePages(EVENTS, { outcome }, eventsOf, idOf);
  const columns = useMemo(() => columnsWith(setOpened), []);
  useLive(WEBHOOK_RECEIVED, {}, (events) => {
    const newest = new Map(events.map(({ webhookReceived }) => [webhookReceived.id, webhookReceived]));
    if (!pages.replace([...newest.values()]) || outcome !== null) pages.refresh();
  });
  return (
    <Page title="Webhooks" description="What providers report: inbound messages and delivery reports.">
      <StatusCard />
      <WaitingStops onOpen={setOpened} />
      <Select
        aria-label="Outcome"
        placeholder="All outcomes"
        data={CHOICES}
        value={outcome}
        onChange={(value) => setOutcome(value as Outcome | null)}
        clearable
        maw={220}
      />
      <DataTable
        label="Webhook events"
        pages={pages}
        columns={columns}
        empty={
          <EmptyState title={outcome ? "No event has this outcome" : "No events yet"}>
            {!outcome && "Give the provider this address: /webhooks/extreme, with the secret of WEBHOOK_SECRET."}
          </EmptyState>
        }
      />
      <EventModal
        key={opened?.id}
        event={opened}
        onClose={() => setOpened(null)}
        onChange={pages.refresh}
      />
    </Page>
  );
}
