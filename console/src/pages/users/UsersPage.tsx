import { Badge, Button, Group } from "@mantine/core";
import { Plus } from "lucide-react";
import { useMemo, useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { usePages } from "../../api/usePages";
import { ClientPicker } from "../../components/ClientPicker";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { ROLES, USERS, type User } from "./documents";
import { UserModal } from "./UserModal";

const column = columnsOf<User>();
const usersOf = (data: ResultOf<typeof USERS>) => data.users;
const idOf = (user: User) => user.id;

function columnsWith(edit: (user: User) => void) {
  return column.columns([
    column.accessor("email", {
      header: "Email",
      cell: ({ getValue }) => <span style={{ overflowWrap: "anywhere" }}>{getValue()}</span>,
    }),
    column.accessor("role", { header: "Role", cell: ({ getValue }) => ROLES[getValue()] }),
    column.display({
      id: "of",
      header: "Client or group",
      cell: ({ row: { original } }) => original.client?.name ?? original.group?.name ?? "–",
      meta: { isWide: true },
    }),
    column.accessor("disabled", {
      header: "State",
      cell: ({ getValue }) => (
        <Badge variant="dot" color={getValue() ? "red" : "green"} style={{ textTransform: "none" }}>
          {getValue() ? "Disabled" : "Enabled"}
        </Badge>
      ),
      meta: { isWide: true },
    }),
    column.accessor("createdAt", {
      header: "Created",
      cell: ({ getValue }) => <TimeText at={getValue()} />,
      meta: { isWide: true },
    }),
    column.action("Edit", (node) => `Edit ${node.email}`, edit),
  ]);
}

export function UsersPage() {
  const [clientId, setClientId] = useState<string | null>(null);
  const [edited, setEdited] = useState<User | "new" | null>(null);
  const pages = usePages(USERS, { clientId }, usersOf, idOf);
  const columns = useMemo(() => columnsWith(setEdited), []);
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
        <ClientPicker label="Users of a client" value={clientId} onChange={setClientId} />
      </Group>
      <DataTable
        label="Users"
        pages={pages}
        columns={columns}
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
