import { Table, type TableProps } from "@mantine/core";
import { Cells, type Column, TableHead } from "./columns";

interface PlainTableProps<Row> extends TableProps {
  /** What the table contains, for screen readers. */
  label: string;
  rows: Row[];
  columns: Column<Row>[];
}

/** A table of few rows, without pages. Without rows, nothing is shown. */
export function PlainTable<Row extends { id: string }>({ label, rows, columns, ...look }: PlainTableProps<Row>) {
  if (rows.length === 0) return null;
  return (
    // On a narrow window the table scrolls, and not the page.
    <Table.ScrollContainer minWidth={0}>
      <Table aria-label={label} {...look}>
        <TableHead columns={columns} />
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.id}>
              <Cells columns={columns} row={row} />
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
