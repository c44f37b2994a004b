import { Paper, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Changing } from "./Changing";

interface FigureProps {
  label: string;
  value: string;
  note?: ReactNode;
  /** What it is a figure of, if the page has several with this label. */
  of?: string;
}

/** One figure with its name and a line about it. */
export function Figure({ label, value, note, of }: FigureProps) {
  return (
    <Paper withBorder p="md" component="section" aria-label={of ? `${label}: ${of}` : label}>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text size="xl" fw={700} style={{ overflowWrap: "anywhere" }}>
        <Changing value={value} />
      </Text>
      {note && (
        <Text component="div" size="sm" c="dimmed">
          {note}
        </Text>
      )}
    </Paper>
  );
}
