import { Badge, Button, Title } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import type { Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { count, units } from "../../text/numbers";
import { AuditResult } from "./AuditResult";
import { type Audit, AUDITS, PROGRESS, START } from "./documents";

const columns: Column<Audit>[] = [
  { header: "Started", cell: ({ startedAt }) => <TimeText at={startedAt} /> },
  { header: "Result", cell: (audit) => <Result audit={audit} /> },
  {
    header: "Messages",
    cell: ({ messagesChecked }) => count(messagesChecked),
    isNumber: true,
    isWide: true,
  },
];

/** Runs audits of the ledger. A run continues if the page is closed. */
export function AuditPage() {
  const pages = usePages(AUDITS, {}, (data) => data.ledgerAudits);
  const start = useAction(START);
  const newest = pages.items[0];
  const isRunning = newest?.state === "RUNNING";
  useLive(
    PROGRESS,
    { id: newest?.id ?? "" },
    (events) => {
      const last = events.at(-1)?.ledgerAuditProgress;
      if (last) pages.replace([last]);
    },
    { isPaused: !isRunning },
  );

  async function run() {
    await start.run({});
    pages.refresh();
  }

  return (
    <Page
      title="Audit"
      description="Recomputes every balance from its transfers and matches every message to its charge. It changes nothing."
      actions={
        <Button loading={start.isBusy || isRunning} onClick={() => void run()}>
          Run the audit
        </Button>
      }
    >
      <FailureNote failure={start.failure} />
      {newest && (
        <>
          <AuditResult audit={newest} />
          <Title order={2} size="h4">
            All audits
          </Title>
        </>
      )}
      <DataTable
        label="Audits"
        pages={pages}
        columns={columns}
        empty={
          <EmptyState title="No audit yet">Run the audit to see whether the ledger is consistent.</EmptyState>
        }
      />
    </Page>
  );
}

function Result({ audit }: { audit: Audit }) {
  const [label, color] =
    audit.state === "RUNNING"
      ? [`Running, ${audit.percent} %`, "blue"]
      : audit.state === "STOPPED"
        ? ["Stopped", "orange"]
        : audit.holds
          ? ["The ledger is consistent", "green"]
          : [units(audit.violations.length, "violation"), "red"];
  return (
    <Badge variant="dot" color={color}>
      {label}
    </Badge>
  );
}
