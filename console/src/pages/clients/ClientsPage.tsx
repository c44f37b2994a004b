import { Button, Group, Tabs } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";
import { usePages } from "../../api/usePages";
import { useFilters } from "../../app/filters";
import { ClientStatusBadge } from "../../components/ClientStatusBadge";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { SearchField } from "../../components/SearchField";
import { distinctNames } from "../../text/names";
import { phone } from "../../text/phones";
import { ClientModal } from "./ClientModal";
import { type Client, CLIENTS } from "./documents";
import { GroupList } from "./GroupList";

function columnsWith(names: Map<string, string>, edit: (client: Client) => void): Column<Client>[] {
  return [
    {
      header: "Name",
      cell: ({ id, name }) => (
        <TextLink to="/statement" search={{ clientId: id }}>
          {names.get(id) ?? name}
        </TextLink>
      ),
    },
    { header: "Status", cell: ({ status }) => <ClientStatusBadge status={status} /> },
    { header: "Group", cell: ({ group }) => group?.name ?? "–", isWide: true },
    {
      header: "Rate in USD",
      cell: ({ ratePerUnitUsd, group }) =>
        ratePerUnitUsd ?? (group?.ratePerUnitUsd ? `${group.ratePerUnitUsd} (group)` : "–"),
      isWide: true,
      isNumber: true,
    },
    {
      header: "Assigned numbers",
      cell: ({ assignedNumbers }) => assignedNumbers.map(phone).join(", ") || "–",
      isWide: true,
    },
    actionColumn(["Edit", ({ id, name }) => `Edit ${names.get(id) ?? name}`, edit]),
  ];
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
  const [{ search = null }] = useFilters();
  const [edited, setEdited] = useState<Client | "new" | null>(null);
  const pages = usePages(CLIENTS, { search }, (data) => data.clients);
  return (
    <>
      <Group justify="space-between">
        <SearchField label="Search by name" />
        <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
          Add a client
        </Button>
      </Group>
      <DataTable
        label="Clients"
        pages={pages}
        columns={columnsWith(distinctNames(pages.items), setEdited)}
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
