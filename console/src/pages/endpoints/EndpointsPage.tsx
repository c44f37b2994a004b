import { Badge, Button, Group, Stack, Table, Text, Tooltip } from "@mantine/core";
import { useState } from "react";
import { useData } from "../../api/useData";
import { can, useViewer } from "../../app/viewer";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Page } from "../../components/Page";
import { PlainTable, RowButton } from "../../components/PlainTable";
import { SecretNote } from "../../components/SecretNote";
import { Deliveries } from "./Deliveries";
import { type Endpoint, type EndpointStatus, ENDPOINTS, ENDPOINTS_OF_ALL } from "./documents";
import { EndpointModal, EVENT_NAMES } from "./EndpointModal";

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

/** The URLs that the client's events are posted to. A secret is shown once. */
export function EndpointsPage() {
  const isAdmin = can(useViewer(), "admin");
  const { data, failure, reload } = useData(ENDPOINTS, {}, { types: ["WebhookEndpoint"] });
  const all = useData(ENDPOINTS_OF_ALL, {}, { isPaused: !isAdmin, types: ["WebhookEndpoint"] });
  const clients = new Map(all.data?.webhookEndpoints.map(({ id, client }) => [id, client?.name]));
  const [edited, setEdited] = useState<Endpoint | "new" | null>(null);
  const [openedId, setOpenedId] = useState<string | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const endpoints = data?.webhookEndpoints ?? [];
  const opened = endpoints.find(({ id }) => id === openedId);

  return (
    <Page
      title="Webhook endpoints"
      description="Events are posted to these addresses as they happen."
      actions={<Button onClick={() => setEdited("new")}>Add an endpoint</Button>}
    >
      {secret && <SecretNote secret={secret} onClose={() => setSecret(null)} />}
      <FailureNote failure={failure} />
      {data && endpoints.length === 0 && (
        <EmptyState title="No endpoints yet">
          Add an address of your program. Events are then posted to it.
        </EmptyState>
      )}
      {endpoints.length > 0 && (
        <PlainTable
          label="Webhook endpoints"
          head={["Address", isAdmin && "Client", { wide: "Events" }, "Status"]}
          verticalSpacing="xs"
        >
          {endpoints.map((endpoint) => (
            <Table.Tr key={endpoint.id}>
              <Table.Td style={{ overflowWrap: "anywhere" }}>
                {endpoint.url}
                <Text size="sm" c="dimmed">
                  {endpoint.description}
                </Text>
              </Table.Td>
              {isAdmin && <Table.Td>{clients.get(endpoint.id) ?? "–"}</Table.Td>}
              <Table.Td visibleFrom="sm">
                {endpoint.events.map((event) => EVENT_NAMES[event]).join(", ")}
              </Table.Td>
              <Table.Td>
                <EndpointBadge endpoint={endpoint} />
              </Table.Td>
              <Table.Td>
                <Group gap="xs" justify="flex-end">
                  <RowButton
                    label={`Deliveries to ${endpoint.url}`}
                    onClick={() => setOpenedId(endpoint.id)}
                  >
                    Deliveries
                  </RowButton>
                  <RowButton label={`Edit ${endpoint.url}`} onClick={() => setEdited(endpoint)}>
                    Edit
                  </RowButton>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </PlainTable>
      )}
      {opened && (
        <Stack component="section" aria-label="Deliveries">
          <Deliveries key={opened.id} endpoint={opened} onChange={reload} />
        </Stack>
      )}
      <EndpointModal
        key={edited === null || edited === "new" ? String(edited) : edited.id}
        endpoint={edited}
        onClose={() => setEdited(null)}
        onChange={reload}
        onSecret={setSecret}
      />
    </Page>
  );
}

function EndpointBadge({ endpoint }: { endpoint: Endpoint }) {
  const { label, color, meaning } = STATUSES[endpoint.status];
  return (
    <Tooltip
      label={endpoint.pauseReason ?? meaning}
      multiline
      maw={280}
      events={{ hover: true, focus: true, touch: true }}
    >
      <Badge variant="dot" color={color}>
        {label}
      </Badge>
    </Tooltip>
  );
}
