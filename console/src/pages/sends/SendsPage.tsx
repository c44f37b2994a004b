import { Checkbox, Group, Select } from "@mantine/core";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { choicesOf, daysOf, oneOf, useFilters } from "../../app/filters";
import { can, useViewer } from "../../app/viewer";
import { ClientPicker } from "../../components/ClientPicker";
import type { Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { DateRange, limitsOf } from "../../components/DateRange";
import { EmptyState } from "../../components/EmptyState";
import { ButtonLink, TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { SendProgress } from "../../components/SendProgress";
import { TimeText } from "../../components/TimeText";
import { count } from "../../text/numbers";
import { KINDS, MESSAGE_UPDATED, SENDS, type SendRow } from "./documents";

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

export function SendsPage() {
  const viewer = useViewer();
  const [filters, change] = useFilters();
  const clientId = filters.clientId ?? null;
  const kind = oneOf(filters.kind, KINDS);
  const days = daysOf(filters);
  const isScheduled = filters.scheduled === "only";
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
        {can(viewer, "admin") && <ClientPicker value={clientId} onChange={(id) => change({ clientId: id })} />}
        <Select
          aria-label="Kind"
          placeholder="All kinds"
          data={choicesOf(KINDS)}
          value={kind}
          onChange={(value) => change({ kind: value })}
          clearable
        />
        <DateRange days={days} onChange={change} />
        <Checkbox
          label="Only scheduled"
          checked={isScheduled}
          onChange={(event) => change({ scheduled: event.currentTarget.checked ? "only" : null })}
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
