import { Button, Center, Table } from "@mantine/core";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { Pages } from "../api/usePages";
import { Cells, type Column, TableHead } from "./columns";
import { FailureNote } from "./FailureNote";
import { Waiting } from "./Waiting";

const ROW_PIXELS = 45;
const ROWS_AHEAD = 20;

interface DataTableProps<Node> {
  /** What the table contains, for screen readers. */
  label: string;
  pages: Pages<Node>;
  columns: Column<Node>[];
  empty: ReactNode;
}

/** A table of any length: only the rows in view exist, and pages are read as the user scrolls. */
export function DataTable<Node>({ label, pages, columns, empty }: DataTableProps<Node>) {
  const rows = pages.items;
  const top = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    const box = top.current?.getBoundingClientRect();
    if (box) setOffset(box.top + window.scrollY);
  });
  const isPrinting = usePrinting();
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_PIXELS,
    // On paper there is nothing to scroll.
    overscan: isPrinting ? rows.length : 10,
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
          <TableHead columns={columns} />
          <Table.Tbody>
            <Spacer height={before} />
            {shown.map(({ index }) => {
              const row = rows[index];
              return (
                row && (
                  <Table.Tr key={index} data-index={index} ref={virtualizer.measureElement}>
                    <Cells columns={columns} row={row} />
                  </Table.Tr>
                )
              );
            })}
            <Spacer height={after} />
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <FailureNote failure={pages.failure} />
      {hasMore && (
        // On paper, it says that these are not all rows.
        <Center pt="sm">
          <Button variant="subtle" onClick={loadMore}>
            Load more
          </Button>
        </Center>
      )}
    </div>
  );
}

/** Whether the page is being printed. The rows must exist before the browser goes on. */
function usePrinting(): boolean {
  const [isPrinting, setPrinting] = useState(false);
  useEffect(() => {
    const begin = () => flushSync(() => setPrinting(true));
    const end = () => setPrinting(false);
    window.addEventListener("beforeprint", begin);
    window.addEventListener("afterprint", end);
    return () => {
      window.removeEventListener("beforeprint", begin);
      window.removeEventListener("afterprint", end);
    };
  }, []);
  return isPrinting;
}

function Spacer({ height }: { height: number }) {
  return height > 0 ? <tr aria-hidden style={{ height }} /> : null;
}
