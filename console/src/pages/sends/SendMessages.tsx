import { Group, Select, Title } from "@mantine/core";
import { useState } from "react";
import type { MessageStatus, ResultOf } from "../../api/graphql";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { MessageText } from "../../components/MessageText";
import { PhoneText } from "../../components/PhoneText";
import { STATUSES, StatusBadge } from "../../components/StatusBadge";
import { TimeText } from "../../components/TimeText";
import { MESSAGE_UPDATED, MESSAGES, type MessageRow } from "./documents";

const column = columnsOf<MessageRow>();
const columns = column.columns([
  column.accessor("number", {
    header: "Number",
    cell: ({ getValue }) => <PhoneText number={getValue()} />,
  }),
  column.accessor("status", {
    header: "Status",
    cell: ({ row }) =>
      row.original.status && (
        <StatusBadge status={row.original.status} failure={row.original.failure} />
      ),
  }),
  column.accessor("text", {
    header: "Text",
    cell: ({ row }) => <MessageText text={row.original.failure ?? row.original.text} lines={1} />,
    meta: { isWide: true },
  }),
  column.accessor("updatedAt", {
    header: "Changed",
    cell: ({ getValue }) => <TimeText at={getValue()} />,
    meta: { isWide: true },
  }),
]);

const NOTHING = { nodes: [], pageInfo: { hasNextPage: false, endCursor: null }, totalCount: 0 };
const messagesOf = (data: ResultOf<typeof MESSAGES>) => data.send?.messages ?? NOTHING;
const idOf = (message: MessageRow) => message.id;
const CHOICES = Object.entries(STATUSES).map(([value, { label }]) => ({ value, label }));

/** The messages of a send. Their status changes as it happens. */
export function SendMessages({ sendId, onChange }: { sendId: string; onChange: () => void }) {
  const [status, setStatus] = useState<MessageStatus | null>(null);
  const pages = usePages(MESSAGES, { id: sendId, status }, messagesOf, idOf);
  useLive(MESSAGE_UPDATED, { sendId }, (events) => {
    const newest = new Map(events.map(({ messageUpdated }) => [messageUpdated.id, messageUpdated]));
    const isWhole = pages.replace([...newest.values()]);
    // With a filter, a message can leave or enter the list.
    if (status !== null || (!isWhole && !pages.hasMore)) pages.refresh();
    onChange();
  });
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
          onChange={(value) => setStatus(value as MessageStatus | null)}
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
