import { Progress, Text } from "@mantine/core";
import type { MessageStatus } from "../api/graphql";
import { count } from "../text/numbers";
import { STATUSES } from "./StatusBadge";

export interface Counts {
  queued: number;
  submitting: number;
  sent: number;
  delivered: number;
  undelivered: number;
  rejected: number;
  unknown: number;
  cancelled: number;
}

const ORDER: [keyof Counts, MessageStatus][] = [
  ["delivered", "DELIVERED"],
  ["sent", "SENT"],
  ["submitting", "SUBMITTING"],
  ["queued", "QUEUED"],
  ["unknown", "UNKNOWN"],
  ["undelivered", "UNDELIVERED"],
  ["rejected", "REJECTED"],
  ["cancelled", "CANCELLED"],
];

/** How many messages of a send are in which status: "3 Sent, 1 Queued". */
export function countsInWords(counts: Counts): string {
  const parts = ORDER.filter(([key]) => counts[key] > 0);
  return parts.map(([key, status]) => `${count(counts[key])} ${STATUSES[status].label}`).join(", ");
}

export function SendProgress({ counts, size = "sm" }: { counts: Counts; size?: "sm" | "xl" }) {
  const total = ORDER.reduce((sum, [key]) => sum + counts[key], 0);
  return (
    <div>
      <Progress.Root size={size} aria-hidden>
        {ORDER.filter(([key]) => counts[key] > 0).map(([key, status]) => (
          <Progress.Section
            key={key}
            value={(100 * counts[key]) / total}
            color={STATUSES[status].color}
          />
        ))}
      </Progress.Root>
      <Text size="xs" c="dimmed">
        {countsInWords(counts)}
      </Text>
    </div>
  );
}
