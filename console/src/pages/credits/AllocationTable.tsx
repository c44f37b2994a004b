import { Group } from "@mantine/core";
import { useEffect, useState } from "react";
import { usePages } from "../../api/usePages";
import { useBalances } from "../../app/balances";
import { useFilters } from "../../app/filters";
import { ClientStatusBadge } from "../../components/ClientStatusBadge";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { TextLink } from "../../components/links";
import { SearchField } from "../../components/SearchField";
import { TimeText } from "../../components/TimeText";
import { distinctNames } from "../../text/names";
import { units, usd } from "../../text/numbers";
import { AdjustModal, type Target } from "./AdjustModal";
import { ALLOCATIONS, type AllocationRow } from "./documents";

function columnsWith(names: Map<string, string>, adjust: (target: Target) => void): Column<AllocationRow>[] {
  const nameOf = ({ client }: AllocationRow) => names.get(client.id) ?? client.name;
  return [
    {
      header: "Client",
      cell: (row) => (
        <TextLink to="/statement" search={{ clientId: row.client.id }}>
          {nameOf(row)}
        </TextLink>
      ),
    },
    { header: "Group", cell: ({ group }) => group?.name ?? "–", isWide: true },
    {
      header: "Status",
      cell: ({ client }) => <ClientStatusBadge status={client.status} />,
      isWide: true,
    },
    { header: "Balance", cell: ({ balance, unit }) => units(balance, unit), isNumber: true },
    {
      header: "Value",
      cell: ({ valueUsd }) => (valueUsd ? usd(valueUsd) : "–"),
      isNumber: true,
      isWide: true,
    },
    {
      header: "Last send",
      cell: ({ lastSentAt }) => (lastSentAt ? <TimeText at={lastSentAt} /> : "Never"),
      isWide: true,
    },
    actionColumn([
      "Adjust",
      (row) => `Adjust the balance of ${nameOf(row)}`,
      (row) => adjust({ kind: "client", ...row, id: row.client.id, name: nameOf(row) }),
    ]),
  ];
}

/** What each client holds, live. Admins see all clients, supervisors those of the group. */
export function AllocationTable() {
  const [{ search = null }] = useFilters();
  const [target, setTarget] = useState<Target | null>(null);
  const pages = usePages(ALLOCATIONS, { search }, (data) => data.allocations, (row) => row.client.id);
  const version = useBalances()?.version;
  const { refresh } = pages;
  useEffect(refresh, [version, refresh]);
  return (
    <>
      <Group>
        <SearchField label="Search by name" />
      </Group>
      <DataTable
        label="Credits of clients"
        pages={pages}
        columns={columnsWith(distinctNames(pages.items.map(({ client }) => client)), setTarget)}
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
