import { Alert, Button, List, SimpleGrid, Text } from "@mantine/core";
import { useState } from "react";
import { useClient } from "urql";
import { graphql, type ResultOf } from "../../api/graphql";
import { type Failure, failureOf } from "../../api/useAction";
import { FailureNote } from "../../components/FailureNote";
import { Figure } from "../../components/Figure";
import { Page } from "../../components/Page";
import { count } from "../../text/numbers";
import { fullTime } from "../../text/times";

const AUDIT = graphql(`
  query LedgerAudit {
    ledgerAudit {
      holds
      accountsChecked
      transfersChecked
      messagesChecked
      violations
      checkedAt
    }
  }
`);

type Audit = ResultOf<typeof AUDIT>["ledgerAudit"];

/** Proves the ledger from its entries. It reads everything, so a person starts it. */
export function AuditPage() {
  const client = useClient();
  const [audit, setAudit] = useState<Audit | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);

  async function run() {
    setBusy(true);
    const { data, error } = await client
      .query(AUDIT, {}, { requestPolicy: "network-only" })
      .toPromise();
    setAudit(data?.ledgerAudit ?? null);
    setFailure(error ? failureOf(error) : null);
    setBusy(false);
  }

  return (
    <Page
      title="Audit"
      description="Recomputes every balance from its transfers and matches every message to its charge."
      actions={
        <Button loading={isBusy} onClick={() => void run()}>
          Run the audit
        </Button>
      }
    >
      <FailureNote failure={failure} />
      {!audit && !failure && <Text c="dimmed">Run the audit to see whether the ledger holds.</Text>}
      {audit && (
        <div role="status">
          <Alert
            mb="md"
            variant="outline"
            color={audit.holds ? "green" : "red"}
            title={audit.holds ? "The ledger holds" : "The ledger does not hold"}
          >
            Checked at {fullTime(audit.checkedAt)}.
            {audit.violations.length > 0 && (
              <List size="sm" mt="xs">
                {audit.violations.map((violation) => (
                  <List.Item key={violation}>{violation}</List.Item>
                ))}
              </List>
            )}
          </Alert>
          <SimpleGrid cols={{ base: 1, xs: 3 }}>
            <Figure label="Accounts" value={count(audit.accountsChecked)} />
            <Figure label="Transfers" value={count(audit.transfersChecked)} />
            <Figure label="Messages" value={count(audit.messagesChecked)} />
          </SimpleGrid>
        </div>
      )}
    </Page>
  );
}
