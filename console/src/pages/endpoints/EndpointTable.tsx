import { Group, Table, Text } from "@mantine/core";
import { can, useViewer } from "../../app/viewer";
import { PlainTable, RowButton } from "../../components/PlainTable";
import { ReasonBadge } from "../../components/ReasonBadge";
import { distinctNames } from "../../text/names";
import type { Endpoint, EndpointStatus } from "./documents";
import { EVENT_NAMES } from "./EndpointModal";

const STATUSES: Record<EndpointStatus, { label: string; color: string; meaning: string }> = {
  ACTIVE: {
    label: "Active",
    color: "green",
    meaning: "The last event arrived, or there was none yet.",
  },
  RETRYING: {
    label: "Retrying",
    color: "yellow",
    meaning: "The last attempts failed. They are repeated.",
  },
  FAILING: { label: "Failing", color: "red", meaning: "Nothing has arrived for 24 hours." },
  PAUSED: { label: "Paused", color: "gray", meaning: "Nothing is posted until you resume it." },
};

interface EndpointTableProps {
  label: string;
  endpoints: Endpoint[];
  onOpen: (endpoint: Endpoint) => void;
  /** Left out for the hosts of status callbacks, which nobody can change. */
  onEdit?: (endpoint: Endpoint) => void;
}

export function EndpointTable({ label, endpoints, onOpen, onEdit }: EndpointTableProps) {
  const isAdmin = can(useViewer(), "admin");
  const names = distinctNames(endpoints.map(({ client }) => client ?? null));
  const nameOf = ({ client }: Endpoint) => (client && names.get(client.id)) ?? "–";
  // Several clients can have callbacks at one host.
  const what = (endpoint: Endpoint) => (isAdmin ? `${endpoint.url} of ${nameOf(endpoint)}` : endpoint.url);
  return (
    <PlainTable
      label={label}
      head={["Address", isAdmin && { wide: "Client" }, onEdit !== undefined && { wide: "Events" }, "Status"]}
      verticalSpacing="xs"
    >
      {endpoints.map((endpoint) => (
        <Table.Tr key={endpoint.id}>
          <Table.Td style={{ overflowWrap: "anywhere" }}>
            {endpoint.url}
            {isAdmin && <Text hiddenFrom="sm">{nameOf(endpoint)}</Text>}
            <Text size="sm" c="dimmed">
              {endpoint.description}
            </Text>
          </Table.Td>
          {isAdmin && <Table.Td visibleFrom="sm">{nameOf(endpoint)}</Table.Td>}
          {onEdit && (
            <Table.Td visibleFrom="sm">
              {endpoint.events.map((event) => EVENT_NAMES[event]).join(", ")}
            </Table.Td>
          )}
          <Table.Td>
            <ReasonBadge {...STATUSES[endpoint.status]} reason={endpoint.pauseReason} />
          </Table.Td>
          <Table.Td>
            <Group gap="xs" justify="flex-end">
              <RowButton label={`Deliveries to ${what(endpoint)}`} onClick={() => onOpen(endpoint)}>
                Deliveries
              </RowButton>
              {onEdit && (
                <RowButton label={`Edit ${what(endpoint)}`} onClick={() => onEdit(endpoint)}>
                  Edit
                </RowButton>
              )}
            </Group>
          </Table.Td>
        </Table.Tr>
      ))}
    </PlainTable>
  );
}
