import { Badge, Button, Switch } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { count, units } from "../../text/numbers";
import { fullTime } from "../../text/times";
import { RECONCILE, type Run, RUN_PROGRESS, RUNS } from "./documents";
import { RunModal } from "./RunModal";

const differencesOf = (run: Run) => units(run.differences.length, "difference");

function columnsWith(open: (run: Run) => void): Column<Run>[] {
  return [
    { header: "Started", cell: ({ startedAt }) => <TimeText at={startedAt} /> },
    {
      header: "State",
      cell: ({ finishedAt, dryRun }) => (
        <Badge variant="dot" color={finishedAt ? "green" : "blue"}>
          {finishedAt ? "Finished" : "Running"}
          {dryRun ? ", only looked" : ""}
        </Badge>
      ),
    },
    figureColumn("Messages", (run) => run.messagesChecked),
    figureColumn("Charged", (run) => run.chargedMissing),
    figureColumn("Given back", (run) => run.refundedExcess),
    figureColumn("Unknown", (run) => run.unknownLeft),
    actionColumn([
      differencesOf,
      (run) => `${differencesOf(run)} of the run of ${fullTime(run.startedAt)}`,
      open,
    ]),
  ];
}

function figureColumn(header: string, figureOf: (run: Run) => number): Column<Run> {
  return { header, cell: (run) => count(figureOf(run)), isNumber: true, isWide: true };
}

/** Compares charges with messages and corrects each difference once. */
export function ReconciliationsPage() {
  const [dryRun, setDryRun] = useState(false);
  const [opened, setOpened] = useState<Run | null>(null);
  const [running, setRunning] = useState<string | null>(null);
  const pages = usePages(RUNS, {}, (data) => data.reconciliations);
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
        columns={columnsWith(setOpened)}
        empty={<EmptyState title="No run yet">Start one, or wait for the night.</EmptyState>}
      />
      <RunModal run={opened} onClose={() => setOpened(null)} />
    </Page>
  );
}
