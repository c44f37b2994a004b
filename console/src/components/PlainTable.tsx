import { Button, type ButtonProps, Table, type TableProps } from "@mantine/core";
import type { ReactNode } from "react";

/** The title of a column of buttons, for screen readers. */
export const ACTIONS = <span className="visually-hidden">Actions</span>;

/** A column's title. `wide`: the column is left out on narrow windows. */
type Head = string | { wide: string } | false;

interface PlainTableProps extends TableProps {
  /** What the table contains, for screen readers. */
  label: string;
  /** The titles of the columns before the last one, which has the buttons of a row. */
  head: Head[];
  children: ReactNode;
}

/** A table of few rows, without pages. */
export function PlainTable({ label, head, children, ...look }: PlainTableProps) {
  return (
    // On a narrow window the table scrolls, and not the page.
    <Table.ScrollContainer minWidth={0}>
      <Table aria-label={label} {...look}>
        <Table.Thead>
          <Table.Tr>
            {head.map((each) => {
              if (!each) return null;
              const title = typeof each === "string" ? each : each.wide;
              return (
                <Table.Th key={title} visibleFrom={typeof each === "string" ? undefined : "sm"}>
                  {title}
                </Table.Th>
              );
            })}
            <Table.Th>{ACTIONS}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

interface RowButtonProps extends ButtonProps {
  /** What it does to which row, for screen readers. */
  label?: string;
  onClick: () => void;
}

/** A small button in a row of a table. */
export function RowButton({ label, ...props }: RowButtonProps) {
  return <Button variant="default" size="compact-sm" aria-label={label} {...props} />;
}
