import { Checkbox, Group, Select } from "@mantine/core";
import { useState } from "react";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { can, useViewer } from "../../app/viewer";
import { ClientPicker } from "../../components/ClientPicker";
import { type Column, DataTable } from "../../components/DataTable";
import { ALL_DAYS, DateRange, limitsOf } from "../../components/DateRange";
import { EmptyState } from "../../components/EmptyState";
import { ButtonLink, TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { SendProgress } from "../../components/SendProgress";
import { TimeText } from "../../components/TimeText";
import { count } from "../../text/numbers";
import { KINDS, MESSAGE_UPDATED, type SendKind, SENDS, type SendRow } from "./documents";

const columns: Column<SendRow>[] = [
  {
    header: "When",
    cell: ({ id, createdAt }) => (
      <TextLink to="/sends/$sendId" params={{ sendId: id }}>
        <TimeText at={createdAt} />
      </TextLink>
    ),
  },
  {
    header: "Scheduled for",
    cell: ({ sendAt, heldUntil, finished }) => {
      const at = sendAt ?? heldUntil;
      return at && !finished ? <TimeText at={at} /> : "–";
    },
    isWide: true,
  },
  { header: "Kind", cell: ({ kind }) => KINDS[kind], isWide: true },
  { header: "Messages", cell: ({ accepted }) => count(accepted), isNumber: true },
  { header: "Progress", cell: ({ counts }) => <SendProgress counts={counts} /> },
  {
    header: "Not accepted",
    cell: ({ rejectedCount }) => count(rejectedCount),
    isNumber: true,
    isWide: true,
  },
  { header: "Charged", cell: ({ charged }) => count(charged), isNumber: true, isWide: true },
];

const CHOICES = Object.entries(KINDS).map(([value, label]) => ({ value, label }));

export function SendsPage() {
  const viewer = useViewer();
  const [kind, setKind] = useState<SendKind | null>(null);
  const [clientId, setClientId] = useState<string | null>(null);
  const [days, setDays] = useState(ALL_DAYS);
  const [isScheduled, setScheduled] = useState(false);
  const filter = { kind, clientId, scheduled: isScheduled || null, ...limitsOf(days) };
  const isFiltered = Object.values(filter).some((each) => each !== null);
  const pages = usePages(SENDS, { filter }, (data) => data.sends);
  useLive(MESSAGE_UPDATED, {}, pages.refresh);
  return (
    <Page
      title="Sends"
      description="Every request to send, the newest first."
      actions={
        can(viewer, "sender") && (
          <ButtonLink to="/send">New send</ButtonLink>
        )
      }
    >
      <Group>
        {can(viewer, "admin") && <ClientPicker value={clientId} onChange={setClientId} />}
        <Select
          aria-label="Kind"
          placeholder="All kinds"
          data={CHOICES}
          value={kind}
          onChange={(value) => setKind(value as SendKind | null)}
          clearable
        />
        <DateRange days={days} onChange={setDays} />
        <Checkbox
          label="Only scheduled"
          checked={isScheduled}
          onChange={(event) => setScheduled(event.currentTarget.checked)}
        />
      </Group>
      <DataTable
        label="Sends"
        pages={pages}
        columns={columns}
        empty={
          <EmptyState title={isFiltered ? "No send matches" : "Nothing has been sent yet"}>
            {isFiltered ? (
              "Choose another kind or other days."
            ) : can(viewer, "sender") ? (
              <TextLink to="/send">Send a first message</TextLink>
            ) : (
              "Sends of all clients appear here as soon as there are any."
            )}
          </EmptyState>
        }
      />
    </Page>
  );
}
