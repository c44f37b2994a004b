import { Text } from "@mantine/core";
import { can, useViewer } from "../../app/viewer";
import { actionColumn, type Column } from "../../components/columns";
import { PlainTable } from "../../components/PlainTable";
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

const eventsOf = ({ events }: Endpoint) => events.map((event) => EVENT_NAMES[event]).join(", ");

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
  const columns: Column<Endpoint>[] = [
    {
      header: "Address",
      cell: (endpoint) => (
        <div style={{ overflowWrap: "anywhere" }}>
          {endpoint.url}
          {isAdmin && <Text hiddenFrom="sm">{nameOf(endpoint)}</Text>}
          <Text size="sm" c="dimmed">
            {endpoint.description}
          </Text>
        </div>
      ),
    },
    ...(isAdmin ? [{ header: "Client", cell: nameOf, isWide: true }] : []),
    ...(onEdit ? [{ header: "Events", cell: eventsOf, isWide: true }] : []),
    {
      header: "Status",
      cell: ({ status, pauseReason }) => <ReasonBadge {...STATUSES[status]} reason={pauseReason} />,
    },
    actionColumn(
      ["Deliveries", (endpoint) => `Deliveries to ${what(endpoint)}`, onOpen],
      [onEdit && "Edit", (endpoint) => `Edit ${what(endpoint)}`, (endpoint) => onEdit?.(endpoint)],
    ),
  ];
  return <PlainTable label={label} rows={endpoints} columns={columns} verticalSpacing="xs" />;
}
