import { Group, TextInput } from "@mantine/core";
import { dayStart } from "../text/times";

/** Two days in the viewer's zone, as date fields write them; empty for no limit. */
export interface Days {
  from: string;
  to: string;
}

/** The beginning of the first day and the end of the last one, as the API's filters take them. */
export function limitsOf({ from, to }: Days) {
  return {
    createdAfter: from ? dayStart(from).toISOString() : null,
    createdBefore: to ? dayStart(to, 1).toISOString() : null,
  };
}

export function DateRange({ days, onChange }: { days: Days; onChange: (days: Days) => void }) {
  return (
    <Group gap={6} role="group" aria-label="Days">
      <TextInput
        type="date"
        styles={{ input: { paddingInline: 8 } }}
        aria-label="From"
        title="From this day on"
        max={days.to || undefined}
        value={days.from}
        onChange={(event) => onChange({ ...days, from: event.currentTarget.value })}
      />
      <span aria-hidden>–</span>
      <TextInput
        type="date"
        styles={{ input: { paddingInline: 8 } }}
        aria-label="To"
        title="Up to this day"
        min={days.from || undefined}
        value={days.to}
        onChange={(event) => onChange({ ...days, to: event.currentTarget.value })}
      />
    </Group>
  );
}
