import { Badge, Button, Group, Table } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { ConfirmModal } from "../../components/ConfirmModal";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Page } from "../../components/Page";
import { PlainTable, RowButton } from "../../components/PlainTable";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { distinctNames } from "../../text/names";
import { phone } from "../../text/phones";
import { WEBHOOK_RECEIVED } from "../webhooks/documents";
import { DELETE_ROUTE, type Line, ROUTES } from "./documents";
import { LineModal } from "./LineModal";
import { ReadinessTest } from "./ReadinessTest";

/** Which modem and port belongs to which client. */
export function LinesPage() {
  const { data, failure, isLoading, reload } = useData(ROUTES, {}, { types: ["ModemRoute"] });
  useLive(WEBHOOK_RECEIVED, {}, reload); // a line can be learned from an event
  const [edited, setEdited] = useState<Line | "new" | null>(null);
  const [removed, setRemoved] = useState<Line | null>(null);
  const remove = useAction(DELETE_ROUTE);
  const lines = data?.modemRoutes ?? [];
  const names = distinctNames(lines.map(({ client }) => client));
  const nameOf = ({ client }: Line) => names.get(client.id) ?? client.name;

  async function confirm() {
    if (!removed) return;
    const { success } = await remove.run({ id: removed.id });
    if (success) setRemoved(null);
  }

  return (
    <Page
      title="Lines"
      description="Modems and ports, learned from inbound messages or set by hand."
      actions={
        <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
          Set a line
        </Button>
      }
    >
      <FailureNote failure={failure} />
      {isLoading && <Waiting />}
      {data && lines.length === 0 && (
        <EmptyState title="No lines yet">
          A line appears with the first inbound message that comes in on it. You can also set one by
          hand.
        </EmptyState>
      )}
      {lines.length > 0 && (
        <PlainTable
          label="Lines"
          head={[
            "Modem / port",
            "Client",
            { wide: "Numbers" },
            { wide: "Origin" },
            { wide: "Last seen" },
          ]}
        >
          {lines.map((line) => (
            <LineRow key={line.id} line={line} client={nameOf(line)} onEdit={setEdited} onRemove={setRemoved} />
          ))}
        </PlainTable>
      )}
      <ReadinessTest />
      <LineModal
        key={edited === null || edited === "new" ? edited : edited.id}
        line={edited}
        onClose={() => setEdited(null)}
      />
      <ConfirmModal
        title="Remove the line?"
        verb="Remove the line"
        isOpen={removed !== null}
        isBusy={remove.isBusy}
        failure={remove.failure}
        onClose={() => setRemoved(null)}
        onConfirm={() => void confirm()}
      >
        Messages that come in on modem {removed?.modem}, port {removed?.port} are no longer given to{" "}
        {removed && nameOf(removed)} because of it. It can be learned again.
      </ConfirmModal>
    </Page>
  );
}

interface LineRowProps {
  line: Line;
  client: string;
  onEdit: (line: Line) => void;
  onRemove: (line: Line) => void;
}

function LineRow({ line, client, onEdit, onRemove }: LineRowProps) {
  const name = `${line.modem} / ${line.port}`;
  return (
    <Table.Tr>
      <Table.Td>{name}</Table.Td>
      <Table.Td>{client}</Table.Td>
      <Table.Td visibleFrom="sm">{line.assignedNumbers.map(phone).join(", ") || "–"}</Table.Td>
      <Table.Td visibleFrom="sm">
        <Badge variant="dot" color={line.learned ? "gray" : "indigo"}>
          {line.learned ? "Learned" : "By hand"}
        </Badge>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        {line.lastSeenAt ? <TimeText at={line.lastSeenAt} relative /> : "Never"}
      </Table.Td>
      <Table.Td>
        <Group justify="flex-end" gap="xs">
          <RowButton label={`Change ${name}`} onClick={() => onEdit(line)}>
            Change
          </RowButton>
          <RowButton label={`Remove ${name}`} onClick={() => onRemove(line)}>
            Remove
          </RowButton>
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}
