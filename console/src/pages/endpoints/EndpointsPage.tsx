import { Button, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useData } from "../../api/useData";
import { can, useViewer } from "../../app/viewer";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Page } from "../../components/Page";
import { SecretNote } from "../../components/SecretNote";
import { Deliveries } from "./Deliveries";
import { type Endpoint, ENDPOINTS } from "./documents";
import { EndpointModal } from "./EndpointModal";
import { EndpointTable } from "./EndpointTable";

/** The URLs that the client's events and status callbacks are posted to. A secret is shown once. */
export function EndpointsPage() {
  const isAdmin = can(useViewer(), "admin");
  const types = ["WebhookEndpoint"];
  const { data, failure, reload } = useData(ENDPOINTS, { isAdmin, callbacks: false }, { types });
  const callbacks = useData(ENDPOINTS, { isAdmin, callbacks: true }, { types });
  const [edited, setEdited] = useState<Endpoint | "new" | null>(null);
  const [openedId, setOpenedId] = useState<string | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const endpoints = data?.webhookEndpoints ?? [];
  const hosts = callbacks.data?.webhookEndpoints ?? [];

  function deliveriesOf(shown: Endpoint[], onChange: () => void) {
    const opened = shown.find(({ id }) => id === openedId);
    return (
      opened && (
        <Stack component="section" aria-label="Deliveries">
          <Deliveries key={opened.id} endpoint={opened} isCallback={shown === hosts} onChange={onChange} />
        </Stack>
      )
    );
  }

  return (
    <Page
      title="Webhook endpoints"
      description="Events are posted to these addresses as they happen."
      actions={<Button onClick={() => setEdited("new")}>Add an endpoint</Button>}
    >
      {secret && <SecretNote secret={secret} onClose={() => setSecret(null)} />}
      <FailureNote failure={failure ?? callbacks.failure} />
      {data && endpoints.length === 0 && (
        <EmptyState title="No endpoints yet">
          Add an address of your program. Events are then posted to it.
        </EmptyState>
      )}
      {endpoints.length > 0 && (
        <EndpointTable
          label="Webhook endpoints"
          endpoints={endpoints}
          onOpen={({ id }) => setOpenedId(id)}
          onEdit={setEdited}
        />
      )}
      {deliveriesOf(endpoints, reload)}
      {hosts.length > 0 && (
        <>
          <Title order={2} size="h4">
            Status callbacks
          </Title>
          <Text c="dimmed" size="sm">
            The hosts of the addresses that programs gave with single messages. The status of such a message is posted to
            its address.
          </Text>
          <EndpointTable label="Status callbacks" endpoints={hosts} onOpen={({ id }) => setOpenedId(id)} />
        </>
      )}
      {deliveriesOf(hosts, callbacks.reload)}
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
