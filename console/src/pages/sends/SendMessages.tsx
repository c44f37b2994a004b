import { Group, Select, Title } from "@mantine/core";
import { useEffect } from "react";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { oneOf, useFilters } from "../../app/filters";
import type { Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { MessageText } from "../../components/MessageText";
import { PhoneText } from "../../components/PhoneText";
import { STATUSES, StatusBadge } from "../../components/StatusBadge";
import { TimeText } from "../../components/TimeText";
import { MESSAGE_UPDATED, MESSAGES, type MessageRow } from "./documents";

const columns: Column<MessageRow>[] = [
  { header: "Number", cell: ({ number }) => <PhoneText number={number} /> },
  {
    header: "Status",
    cell: ({ status, failure }) => status && <StatusBadge status={status} failure={failure} />,
  },
  {
    header: "Text",
    cell: ({ failure, text }) => <MessageText text={failure ?? text} lines={1} />,
    isWide: true,
  },
  { header: "Changed", cell: ({ updatedAt }) => <TimeText at={updatedAt} />, isWide: true },
];

const NOTHING = { nodes: [], pageInfo: { hasNextPage: false, endCursor: null }, totalCount: 0 };
const CHOICES = Object.entries(STATUSES).map(([value, { label }]) => ({ value, label }));

interface SendMessagesProps {
  sendId: string;
  isFinished: boolean;
  onChange: () => void;
}

/** The messages of a send. Their status changes as it happens. */
export function SendMessages({ sendId, isFinished, onChange }: SendMessagesProps) {
  const [filters, change] = useFilters();
  const status = oneOf(filters.status, STATUSES);
  const pages = usePages(
    MESSAGES,
    { id: sendId, status },
    (data) => data.send?.messages ?? NOTHING,
  );
  useLive(MESSAGE_UPDATED, { sendId }, (events) => {
    const isWhole = pages.replace(events.map(({ messageUpdated }) => messageUpdated));
    // With a filter, a message can leave or enter the list.
    if (status !== null || (!isWhole && !pages.hasMore)) pages.refresh();
    onChange();
  });
  // The events of a large send arrive later than its counts: after a cancellation, all would seem to wait.
  const { refresh } = pages;
  useEffect(refresh, [isFinished, refresh]);
  return (
    <>
      <Group justify="space-between" align="flex-end">
        <Title order={2} size="h4">
          Messages
        </Title>
        <Select
          aria-label="Status"
          placeholder="All statuses"
          data={CHOICES}
          value={status}
          onChange={(value) => change({ status: value })}
          clearable
          w={180}
        />
      </Group>
      <DataTable
        label="Messages of this send"
        pages={pages}
        columns={columns}
        empty={<EmptyState title={status ? "No message has this status" : "No messages"} />}
      />
    </>
  );
}
