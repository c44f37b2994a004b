import { Badge, Select } from "@mantine/core";
import { useState } from "react";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { oneOf, useFilters } from "../../app/filters";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { TextLink } from "../../components/links";
import { MessageText } from "../../components/MessageText";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { distinctNames } from "../../text/names";
import { fullTime } from "../../text/times";
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

const verbOf = ({ outcome }: WebhookEvent) => (outcome === "UNROUTED" ? "Assign" : "Open");

function columnsWith(names: Map<string, string>, open: (event: WebhookEvent) => void): Column<WebhookEvent>[] {
  return [
    { header: "When", cell: ({ receivedAt }) => <TimeText at={receivedAt} /> },
    {
      header: "Outcome",
      cell: ({ outcome, times }) => (
        <Badge variant="dot" color={OUTCOMES[outcome].color}>
          {OUTCOMES[outcome].label}
          {times > 1 ? ` × ${times}` : ""}
        </Badge>
      ),
    },
    { header: "Client", cell: ({ client }) => (client && names.get(client.id)) ?? "–", isWide: true },
    {
      header: "Modem / port",
      cell: ({ modem, port }) => (modem ? `${modem} / ${port ?? "–"}` : "–"),
      isWide: true,
    },
    { header: "Why", cell: ({ reason }) => <MessageText text={reason} lines={1} />, isWide: true },
    actionColumn([verbOf, (event) => `${verbOf(event)} event of ${fullTime(event.receivedAt)}`, open]),
  ];
}

export function WebhooksPage() {
  const [filters, change] = useFilters();
  const outcome = oneOf(filters.outcome, OUTCOMES);
  const [opened, setOpened] = useState<WebhookEvent | null>(null);
  const pages = usePages(EVENTS, { outcome }, (data) => data.webhookEvents);
  useLive(WEBHOOK_RECEIVED, {}, (events) => {
    const isWhole = pages.replace(events.map(({ webhookReceived }) => webhookReceived));
    if (!isWhole || outcome !== null) pages.refresh();
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
        onChange={(value) => change({ outcome: value })}
        clearable
        maw={220}
      />
      <DataTable
        label="Webhook events"
        pages={pages}
        columns={columnsWith(distinctNames(pages.items.map(({ client }) => client)), setOpened)}
        empty={
          <EmptyState title={outcome ? "No event has this outcome" : "No events yet"}>
            {!outcome && (
              <>
                Give each provider its webhook address, which the page{" "}
                <TextLink to="/providers">Providers</TextLink> shows, and the secret of WEBHOOK_SECRET.
              </>
            )}
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
