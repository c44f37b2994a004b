import { Button, Group, Tabs } from "@mantine/core";
import { Plus } from "lucide-react";
import { useMemo, useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { usePages } from "../../api/usePages";
import { ClientStatusBadge } from "../../components/ClientStatusBadge";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { SearchField } from "../../components/SearchField";
import { phone } from "../../text/phones";
import { ClientModal } from "./ClientModal";
import { type Client, CLIENTS } from "./documents";
import { GroupList } from "./GroupList";

const column = columnsOf<Client>();
const clientsOf = (data: ResultOf<typeof CLIENTS>) => data.clients;
const idOf = (client: Client) => client.id;

function columnsWith(edit: (client: Client) => void) {
  return column.columns([
    column.accessor("name", {
      header: "Name",
      cell: ({ row: { original } }) => (
        <TextLink to="/statement" search={{ clientId: original.id }}>
          {original.name}
        </TextLink>
      ),
    }),
    column.accessor("status", {
      header: "Status",
      cell: ({ getValue }) => <ClientStatusBadge status={getValue()} />,
    }),
    column.display({
      id: "group",
      header: "Group",
      cell: ({ row }) => row.original.group?.name ?? "–",
      meta: { isWide: true },
    }),
    column.display({
      id: "rate",
      header: "Rate in USD",
      cell: ({ row: { original } }) =>
        original.ratePerUnitUsd ??
        (original.group?.ratePerUnitUsd ? `${original.group.ratePerUnitUsd} (group)` : "–"),
      meta: { isWide: true, isNumber: true },
    }),
    column.display({
      id: "numbers",
      header: "Assigned numbers",
      cell: ({ row }) => row.original.assignedNumbers.map(phone).join(", ") || "–",
      meta: { isWide: true },
    }),
    column.action("Edit", (node) => `Edit ${node.name}`, edit),
  ]);
}

export function ClientsPage() {
  return (
    <Page title="Clients and groups" description="Who holds units, and who shares a pool.">
      <Tabs defaultValue="clients" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="clients">Clients</Tabs.Tab>
          <Tabs.Tab value="groups">Groups</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="clients">
          <ClientList />
        </Tabs.Panel>
        <Tabs.Panel value="groups">
          <GroupList />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function ClientList() {
  const [search, setSearch] = useState<string | null>(null);
  const [edited, setEdited] = useState<Client | "new" | null>(null);
  const pages = usePages(CLIENTS, { search }, clientsOf, idOf);
  const columns = useMemo(() => columnsWith(setEdited), []);
  return (
    <>
      <Group justify="space-between">
        <SearchField label="Search by name" onSearch={setSearch} />
        <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
          Add a client
        </Button>
      </Group>
      <DataTable
        label="Clients"
        pages={pages}
        columns={columns}
        empty={
          <EmptyState title={search ? "No client found" : "No clients yet"}>
            {search ? "Search for another name." : "Add a client, give it credits, and add a user who signs in for it."}
          </EmptyState>
        }
      />
      <ClientModal
        key={edited === null || edited === "new" ? edited : edited.id}
        client={edited}
        onClose={() => setEdited(null)}
        onChange={pages.refresh}
      />
    </>
  );
}
