import { Group, Select } from "@mantine/core";
import { useEffect } from "react";
import { usePages } from "../../api/usePages";
import { useBalances } from "../../app/balances";
import { choicesOf, daysOf, oneOf, useFilters } from "../../app/filters";
import { useViewer } from "../../app/viewer";
import { ClientPicker } from "../../components/ClientPicker";
import type { Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { DateRange, limitsOf } from "../../components/DateRange";
import { DownloadButton } from "../../components/DownloadButton";
import { EmptyState } from "../../components/EmptyState";
import { TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { TimeText } from "../../components/TimeText";
import { csvOf, download } from "../../text/csv";
import { count, signed, usd } from "../../text/numbers";
import { KINDS, TRANSFERS, type TransferRow } from "./documents";

const columns: Column<TransferRow>[] = [
  { header: "When", cell: ({ createdAt }) => <TimeText at={createdAt} /> },
  { header: "Kind", cell: ({ kind }) => KINDS[kind] },
  {
    header: "Description",
    cell: ({ sendId, description }) =>
      sendId ? (
        <TextLink to="/sends/$sendId" params={{ sendId }}>
          {description}
        </TextLink>
      ) : (
        description
      ),
    isWide: true,
  },
  {
    header: "Value",
    cell: ({ valueUsd }) => valueUsd && usd(valueUsd),
    isNumber: true,
    isWide: true,
  },
  { header: "Amount", cell: ({ amount }) => signed(amount), isNumber: true },
  { header: "Balance", cell: ({ balanceAfter }) => count(balanceAfter), isNumber: true },
];

export function StatementPage() {
  const viewer = useViewer();
  const [filters, change] = useFilters();
  const clientId = filters.clientId ?? null;
  const kind = oneOf(filters.kind, KINDS);
  const days = daysOf(filters);
  const filter = { kind, ...limitsOf(days) };
  const isFiltered = Object.values(filter).some((each) => each !== null);
  const pages = usePages(TRANSFERS, { clientId, filter }, (data) => data.transfers);
  const version = useBalances()?.version;
  const { refresh } = pages;
  // Every new version of the balances means a new line.
  useEffect(refresh, [version, refresh]);

  async function save() {
    const rows = await pages.readAll();
    download("statement.csv", csvOf(HEADER, rows.map(lineOf)));
  }

  return (
    <Page
      title="Statement"
      description="Every transfer of the account, the newest first."
      actions={
        <DownloadButton label="Download as CSV" save={save} />
      }
    >
      <Group>
        {viewer.role !== "CLIENT" && <ClientPicker value={clientId} onChange={(id) => change({ clientId: id })} />}
        <Select
          aria-label="Kind"
          placeholder="All kinds"
          data={choicesOf(KINDS)}
          value={kind}
          onChange={(value) => change({ kind: value })}
          clearable
        />
        <DateRange days={days} onChange={change} />
      </Group>
      <DataTable
        label="Statement"
        pages={pages}
        columns={columns}
        empty={
          <EmptyState title={isFiltered ? "No movement matches" : "No movements yet"}>
            {isFiltered ? "Choose another kind or other days." : "Units that come in or go out appear here."}
          </EmptyState>
        }
      />
    </Page>
  );
}

const HEADER = ["Time", "Kind", "Description", "Amount", "Balance", "Unit", "Value in USD", "ID"];

function lineOf(row: TransferRow) {
  return [
    row.createdAt,
    KINDS[row.kind],
    row.description,
    row.amount,
    row.balanceAfter,
    row.unit,
    row.valueUsd,
    row.id,
  ];
}
