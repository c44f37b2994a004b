import { Alert, Button, Group, List, Paper, Text, Title } from "@mantine/core";
import { Check, X } from "lucide-react";
import { useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { type Success, useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { FailureNote } from "../../components/FailureNote";
import { phone } from "../../text/phones";
import { TEST_READINESS } from "./documents";

type Readiness = Success<ResultOf<typeof TEST_READINESS>["result"]>;

/** Every check of a real reply to a client's last message. Nothing is sent or charged. */
export function ReadinessTest() {
  const [clientId, setClientId] = useState<string | null>(null);
  const [readiness, setReadiness] = useState<Readiness | null>(null);
  const test = useAction(TEST_READINESS);

  async function run() {
    if (!clientId) return;
    const { success } = await test.run({ clientId });
    setReadiness(success);
  }

  return (
    <Paper withBorder p="md" component="section" aria-labelledby="readiness">
      <Title order={2} size="h4" id="readiness">
        Test reply readiness
      </Title>
      <Text c="dimmed" size="sm" mb="sm">
        Runs every check of a reply to the client's last inbound message. Nothing is sent or charged.
      </Text>
      <Group align="flex-end">
        <ClientPicker
          value={clientId}
          onChange={(id) => {
            setClientId(id);
            setReadiness(null);
          }}
        />
        <Button variant="default" disabled={!clientId} loading={test.isBusy} onClick={() => void run()}>
          Test
        </Button>
      </Group>
      <FailureNote failure={test.failure} />
      {readiness && (
        <Alert
          mt="sm"
          color={readiness.ready ? "green" : "red"}
          variant="outline"
          role="status"
          title={readiness.ready ? "A reply would be sent" : "A reply would not be sent"}
        >
          {readiness.inbound && (
            <Text size="sm">
              To {phone(readiness.inbound.number)}
              {readiness.modem && `, through modem ${readiness.modem}, port ${readiness.port ?? "–"}`}
            </Text>
          )}
          <List size="sm" mt="xs" listStyleType="none">
            {readiness.checks.map((check) => (
              <List.Item
                key={check.name}
                icon={
                  check.passed ? (
                    <Check size={16} aria-label="Passed" role="img" />
                  ) : (
                    <X size={16} aria-label="Failed" role="img" />
                  )
                }
              >
                <b>{check.name}</b>: {check.detail}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
    </Paper>
  );
}
