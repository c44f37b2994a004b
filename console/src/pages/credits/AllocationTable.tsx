import { Group } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { usePages } from "../../api/usePages";
import { useBalances } from "../../app/balances";
import { ClientStatusBadge } from "../../components/ClientStatusBadge";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { TextLink } from "../../components/links";
import { SearchField } from "../../components/SearchField";
import { TimeText } from "../../components/TimeText";
import { units, usd } from "../../text/numbers";
import { AdjustModal, type Target } from "./AdjustModal";
import { ALLOCATIONS, type AllocationRow } from "./documents";

const column = columnsOf<AllocationRow>();
const allocationsOf = (data: ResultOf<typeof ALLOCATIONS>) => data.allocations;
const idOf = (allocation: AllocationRow) => allocation.client.id;

function columnsWith(adjust: (target: Target) => void) {
  return column.columns([
    column.display({
      id: "client",
      header: "Client",
      cell: ({ row: { original } }) => (
        <TextLink to="/statement" search={{ clientId: original.client.id }}>
          {original.client.name}
        </TextLink>
      ),
    }),
    column.display({
      id: "group",
      header: "Group",
      cell: ({ row }) => row.original.group?.name ?? "–",
      meta: { isWide: true },
    }),
    column.display({
      id: "status",
      header: "Status",
      cell: ({ row }) => <ClientStatusBadge status={row.original.client.status} />,
      meta: { isWide: true },
    }),
    column.accessor("balance", {
      header: "Balance",
      cell: ({ row }) => units(row.original.balance, row.original.unit),
      meta: { isNumber: true },
    }),
    column.display({
      id: "value",
      header: "Value",
      cell: ({ row }) => (row.original.valueUsd ? usd(row.original.valueUsd) : "–"),
      meta: { isNumber: true, isWide: true },
    }),
    column.display({
      id: "sent",
      header: "Last send",
      cell: ({ row }) =>
        row.original.lastSentAt ? <TimeText at={row.original.lastSentAt} /> : "Never",
      meta: { isWide: true },
    }),
    column.action(
      "Adjust",
      (node) => `Adjust the balance of ${node.client.name}`,
      (node) => adjust({ kind: "client", ...node.client, ...node }),
    ),
  ]);
}

/** What each client holds, live. Admins see all clients, supervisors those of the group. */
export function AllocationTable() {
  const [search, setSearch] = useState<string | null>(null);
  const [target, setTarget] = useState<Target | null>(null);
  const pages = usePages(ALLOCATIONS, { search }, allocationsOf, idOf);
  const columns = useMemo(() => columnsWith(setTarget), []);
  const version = useBalances()?.version;
  const { refresh } = pages;
  useEffect(refresh, [version, refresh]);
  return (
    <>
      <Group>
        <SearchField label="Search by name" onSearch={setSearch} />
      </Group>
      <DataTable
        label="Credits of clients"
        pages={pages}
        columns={columns}
        empty={
          <EmptyState title={search ? "No client found" : "No clients yet"}>
            {search ? "Search for another name." : "Clients appear here as soon as they exist."}
          </EmptyState>
        }
      />
      <AdjustModal
        key={target?.id}
        target={target}
        onClose={() => setTarget(null)}
        onChange={pages.refresh}
      />
    </>
  );
}
