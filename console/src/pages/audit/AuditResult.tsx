import { Alert, List, Progress, SimpleGrid, Stack, Text } from "@mantine/core";
import { Figure } from "../../components/Figure";
import { count } from "../../text/numbers";
import { fullTime } from "../../text/times";
import type { Audit } from "./documents";

/** One audit: how far it is, or what it found. */
export function AuditResult({ audit }: { audit: Audit }) {
  return (
    <Stack component="section" aria-label="Newest audit">
      <div role="status">
        <Outcome audit={audit} />
      </div>
      <SimpleGrid cols={{ base: 1, xs: 3 }}>
        <Figure label="Accounts" value={count(audit.accountsChecked)} />
        <Figure label="Transfers" value={count(audit.transfersChecked)} />
        <Figure label="Messages" value={count(audit.messagesChecked)} />
      </SimpleGrid>
    </Stack>
  );
}

function Outcome({ audit }: { audit: Audit }) {
  if (audit.state === "RUNNING") {
    return (
      <>
        <Text size="sm">Running: {audit.percent} % is checked.</Text>
        <Progress value={audit.percent} aria-label="Progress of the audit" />
      </>
    );
  }
  if (audit.state === "STOPPED") {
    return (
      <Alert variant="outline" color="orange" title="The audit was stopped">
        Its process ended before it had a result. Start another one.
      </Alert>
    );
  }
  return (
    <Alert
      variant="outline"
      color={audit.holds ? "green" : "red"}
      title={audit.holds ? "The ledger is consistent" : "The ledger is inconsistent"}
    >
      {audit.finishedAt && `Checked at ${fullTime(audit.finishedAt)}.`}
      {audit.violations.length > 0 && (
        <List size="sm" mt="xs">
          {audit.violations.map((violation) => (
            <List.Item key={violation}>{violation}</List.Item>
          ))}
        </List>
      )}
    </Alert>
  );
}
