import { Button, Center, Table } from "@mantine/core";
import {
  type ColumnDef,
  createColumnHelper,
  type RowData,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Pages } from "../api/usePages";
import { FailureNote } from "./FailureNote";
import { RowButton } from "./PlainTable";
import { Waiting } from "./Waiting";

interface ColumnMeta {
  /** Left out on narrow windows. */
  isWide?: boolean;
  isNumber?: boolean;
}

const features = tableFeatures({ columnMeta: {} as ColumnMeta });
type Features = typeof features;

const ROW_PIXELS = 45;
const ROWS_AHEAD = 20;

export type Columns<Node extends RowData> = ColumnDef<Features, Node>[];

export function columnsOf<Node extends RowData>() {
  const helper = createColumnHelper<Features, Node>();
  return {
    ...helper,
    /** The last column: a small button in each row. `label` says what it does, for screen readers. */
    action: (content: ReactNode, label: (node: Node) => string, act: (node: Node) => void) =>
      helper.display({
        id: "action",
        header: () => <span className="visually-hidden">Actions</span>,
        cell: ({ row: { original } }) => (
          <RowButton
            variant={typeof content === "string" ? "default" : "subtle"}
            label={label(original)}
            onClick={() => act(original)}
          >
            {content}
          </RowButton>
        ),
        meta: { isNumber: true },
      }),
  };
}

interface DataTableProps<Node extends RowData> {
  /** What the table contains, for screen readers. */
  label: string;
  pages: Pages<Node>;
  /** Must not change between renders. */
  columns: ColumnDef<Features, Node, never>[] | Columns<Node>;
  empty: ReactNode;
}

/** A table of any length: only the rows in view exist, and further pages are read on the way. */
export function DataTable<Node extends RowData>({
  label,
  pages,
  columns,
  empty,
}: DataTableProps<Node>) {
  const table = useTable({ features, columns: columns as Columns<Node>, data: pages.items });
  const rows = table.getRowModel().rows;
  const top = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    const box = top.current?.getBoundingClientRect();
    if (box) setOffset(box.top + window.scrollY);
  });
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_PIXELS,
    overscan: 10,
    scrollMargin: offset,
  });
  const shown = virtualizer.getVirtualItems();
  const lastShown = shown.at(-1)?.index ?? 0;
  const { hasMore, isLoading, loadMore } = pages;
  useEffect(() => {
    if (hasMore && !isLoading && lastShown >= rows.length - ROWS_AHEAD) loadMore();
  }, [hasMore, isLoading, lastShown, rows.length, loadMore]);

  if (pages.failure && rows.length === 0) {
    return <FailureNote failure={pages.failure} />;
  }
  if (isLoading && rows.length === 0) return <Waiting />;
  if (rows.length === 0) return empty;
  const before = shown[0] ? shown[0].start - offset : 0;
  const after = virtualizer.getTotalSize() - ((shown.at(-1)?.end ?? offset) - offset);
  return (
    <div ref={top}>
      <Table.ScrollContainer minWidth={0}>
        <Table
          verticalSpacing="xs"
          highlightOnHover
          aria-label={label}
          aria-rowcount={pages.total ?? -1}
        >
          <Table.Thead>
            {table.getHeaderGroups().map((group) => (
              <Table.Tr key={group.id}>
                {group.headers.map((header) => (
                  <Table.Th key={header.id} {...look(header.column.columnDef.meta)}>
                    <table.FlexRender header={header} />
                  </Table.Th>
                ))}
              </Table.Tr>
            ))}
          </Table.Thead>
          <Table.Tbody>
            <Spacer height={before} />
            {shown.map(({ index }) => {
              const row = rows[index];
              return (
                row && (
                  <Table.Tr key={row.id} data-index={index} ref={virtualizer.measureElement}>
                    {row.getAllCells().map((cell) => (
                      <Table.Td key={cell.id} {...look(cell.column.columnDef.meta)}>
                        <table.FlexRender cell={cell} />
                      </Table.Td>
                    ))}
                  </Table.Tr>
                )
              );
            })}
            <Spacer height={after} />
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {hasMore && (
        <Center pt="sm">
          <Button variant="subtle" onClick={loadMore}>
            Load more
          </Button>
        </Center>
      )}
    </div>
  );
}

function Spacer({ height }: { height: number }) {
  return height > 0 ? <tr aria-hidden style={{ height }} /> : null;
}

function look(meta: ColumnMeta | undefined) {
  return {
    ...(meta?.isWide ? { visibleFrom: "sm" as const } : {}),
    ...(meta?.isNumber ? { ta: "right" as const } : {}),
  };
}
