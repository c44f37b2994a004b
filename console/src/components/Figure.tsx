import { Paper, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Changing } from "./Changing";

/** One figure with its name and a line about it. */
export function Figure({ label, value, note }: { label: string; value: string; note?: ReactNode }) {
  return (
    <Paper withBorder p="md" component="section" aria-label={label}>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text size="xl" fw={700}>
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
