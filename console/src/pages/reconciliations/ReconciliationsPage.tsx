import { Badge, Button, Switch } from "@mantine/core";
import { useMemo, useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { useAction } from "../../api/useAction";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { count } from "../../text/numbers";
import { RECONCILE, type Run, RUN_PROGRESS, RUNS } from "./documents";
import { RunModal } from "./RunModal";

const column = columnsOf<Run>();
const runsOf = (data: ResultOf<typeof RUNS>) => data.reconciliations;
const idOf = (run: Run) => run.id;

function columnsWith(open: (run: Run) => void) {
  return column.columns([
    column.accessor("startedAt", {
      header: "Started",
      cell: ({ getValue }) => <TimeText at={getValue()} />,
    }),
    column.display({
      id: "state",
      header: "State",
      cell: ({ row: { original } }) => (
        <Badge
          variant="dot"
          color={original.finishedAt ? "green" : "blue"}
          style={{ textTransform: "none" }}
        >
          {original.finishedAt ? "Finished" : "Running"}
          {original.dryRun ? ", only looked" : ""}
        </Badge>
      ),
    }),
    column.accessor("messagesChecked", {
      header: "Messages",
      cell: ({ getValue }) => count(getValue()),
      meta: { isNumber: true, isWide: true },
    }),
    column.accessor("chargedMissing", {
      header: "Charged",
      cell: ({ getValue }) => count(getValue()),
      meta: { isNumber: true, isWide: true },
    }),
    column.accessor("refundedExcess", {
      header: "Given back",
      cell: ({ getValue }) => count(getValue()),
      meta: { isNumber: true, isWide: true },
    }),
    column.accessor("unknownLeft", {
      header: "Unknown",
      cell: ({ getValue }) => count(getValue()),
      meta: { isNumber: true, isWide: true },
    }),
    column.display({
      id: "open",
      header: () => <span className="visually-hidden">Actions</span>,
      cell: ({ row: { original } }) => (
        <Button variant="default" size="compact-sm" onClick={() => open(original)}>
          {original.differences.length === 1
            ? "1 difference"
            : `${count(original.differences.length)} differences`}
          <span className="visually-hidden"> of the run of {original.startedAt}</span>
        </Button>
      ),
      meta: { isNumber: true },
    }),
  ]);
}

/** Compares charges with messages and corrects each difference once. */
export function ReconciliationsPage() {
  const [dryRun, setDryRun] = useState(false);
  const [opened, setOpened] = useState<Run | null>(null);
  const [running, setRunning] = useState<string | null>(null);
  const pages = usePages(RUNS, {}, runsOf, idOf);
  const columns = useMemo(() => columnsWith(setOpened), []);
  const reconcile = useAction(RECONCILE);
  useLive(
    RUN_PROGRESS,
    { id: running ?? "" },
    (events) => {
      const last = events.at(-1)?.reconcileProgress;
      if (!last) return;
      if (!pages.replace([last])) pages.refresh();
      if (last.finishedAt) setRunning(null);
    },
    { isPaused: running === null },
  );

  async function run() {
    const { success } = await reconcile.run({ input: { dryRun } });
    if (!success) return;
    pages.refresh();
    if (success.finishedAt) setOpened(success);
    else setRunning(success.id);
  }

  return (
    <Page
      title="Reconcile"
      description="Compares what was charged with the messages that were accepted, and corrects each difference once. It also runs by itself every night."
      actions={
        <Button loading={reconcile.isBusy || running !== null} onClick={() => void run()}>
          {dryRun ? "Look for differences" : "Reconcile"}
        </Button>
      }
    >
      <Switch
        label="Only look, change nothing"
        checked={dryRun}
        onChange={(event) => setDryRun(event.currentTarget.checked)}
      />
      <FailureNote failure={reconcile.failure} />
      <DataTable
        label="Reconciliations"
        pages={pages}
        columns={columns}
        empty={<EmptyState title="No run yet">Start one, or wait for the night.</EmptyState>}
      />
      <RunModal run={opened} onClose={() => setOpened(null)} />
    </Page>
  );
}
