import { Button, type ButtonProps, Group, Table } from "@mantine/core";
import type { ReactNode } from "react";

/** The title of a column of buttons, for screen readers. */
export const ACTIONS = <span className="visually-hidden">Actions</span>;

export interface Column<Node> {
  header: ReactNode;
  cell: (node: Node) => ReactNode;
  /** Left out on narrow windows. */
  isWide?: boolean;
  isNumber?: boolean;
}

/** A small button in each row. `label` says what it does to which row, for screen readers. */
type Action<Node> = [
  content: ReactNode | ((node: Node) => ReactNode),
  label: (node: Node) => string,
  act: (node: Node) => void,
];

/** The last column, with buttons. One without content is left out. */
export function actionColumn<Node>(...actions: Action<Node>[]): Column<Node> {
  return {
    header: ACTIONS,
    cell: (node) => (
      <Group justify="flex-end" gap="xs">
        {actions.map(([given, label, act], at) => {
          const content = typeof given === "function" ? given(node) : given;
          if (!content) return null;
          const variant = typeof content === "string" ? "default" : "subtle";
          return (
            <RowButton key={at} variant={variant} label={label(node)} onClick={() => act(node)}>
              {content}
            </RowButton>
          );
        })}
      </Group>
    ),
    isNumber: true,
  };
}

export function TableHead<Node>({ columns }: { columns: Column<Node>[] }) {
  return (
    <Table.Thead>
      <Table.Tr>
        {columns.map((column, at) => (
          <Table.Th key={at} {...cellProps(column)}>
            {column.header}
          </Table.Th>
        ))}
      </Table.Tr>
    </Table.Thead>
  );
}

export function Cells<Node>({ columns, row }: { columns: Column<Node>[]; row: Node }) {
  return columns.map((column, at) => (
    <Table.Td key={at} {...cellProps(column)}>
      {column.cell(row)}
    </Table.Td>
  ));
}

interface RowButtonProps extends ButtonProps {
  /** What it does to which row, for screen readers. */
  label: string;
  onClick: () => void;
}

/** A small button in a row of a table. */
export function RowButton({ label, ...props }: RowButtonProps) {
  return <Button variant="default" size="compact-sm" aria-label={label} {...props} />;
}

function cellProps({ isWide, isNumber }: Column<never>) {
  return {
    ...(isWide ? { visibleFrom: "sm" as const } : {}),
    ...(isNumber ? { ta: "right" as const } : {}),
  };
}
