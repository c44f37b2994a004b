import { Badge, Button, Group } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";
import { usePages } from "../../api/usePages";
import { useFilters } from "../../app/filters";
import { ClientPicker } from "../../components/ClientPicker";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { distinctNames } from "../../text/names";
import { ROLES, USERS, type User } from "./documents";
import { UserModal } from "./UserModal";

function columnsWith(names: Map<string, string>, edit: (user: User) => void): Column<User>[] {
  return [
    {
      header: "Email",
      cell: ({ email }) => <span style={{ overflowWrap: "anywhere" }}>{email}</span>,
    },
    { header: "Role", cell: ({ role }) => ROLES[role] },
    {
      header: "Client or group",
      cell: ({ client, group }) => (client && names.get(client.id)) ?? group?.name ?? "–",
      isWide: true,
    },
    {
      header: "State",
      cell: ({ disabled }) => (
        <Badge variant="dot" color={disabled ? "red" : "green"}>
          {disabled ? "Disabled" : "Enabled"}
        </Badge>
      ),
      isWide: true,
    },
    { header: "Created", cell: ({ createdAt }) => <TimeText at={createdAt} />, isWide: true },
    actionColumn(["Edit", (user) => `Edit ${user.email}`, edit]),
  ];
}

export function UsersPage() {
  const [filters, change] = useFilters();
  const clientId = filters.clientId ?? null;
  const [edited, setEdited] = useState<User | "new" | null>(null);
  const pages = usePages(USERS, { clientId }, (data) => data.users);
  return (
    <Page
      title="Users"
      description="People who sign in."
      actions={
        <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
          Add a user
        </Button>
      }
    >
      <Group>
        <ClientPicker label="Users of a client" value={clientId} onChange={(id) => change({ clientId: id })} />
      </Group>
      <DataTable
        label="Users"
        pages={pages}
        columns={columnsWith(distinctNames(pages.items.map(({ client }) => client)), setEdited)}
        empty={<EmptyState title="No users">Add a user who signs in for this client.</EmptyState>}
      />
      <UserModal
        key={edited === null || edited === "new" ? edited : edited.id}
        user={edited}
        onClose={() => setEdited(null)}
        onChange={pages.refresh}
      />
    </Page>
  );
}
