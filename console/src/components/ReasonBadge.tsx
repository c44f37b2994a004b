import { Badge, Tooltip } from "@mantine/core";

interface ReasonBadgeProps {
  label: string;
  color: string;
  /** What the state means. */
  meaning: string;
  /** Why it is so here. It is also for people without a mouse and for screen readers. */
  reason?: string | null;
}

/** A state. The tooltip explains it. */
export function ReasonBadge({ label, color, meaning, reason }: ReasonBadgeProps) {
  return (
    <Tooltip label={reason ?? meaning} multiline maw={280} events={{ hover: true, focus: true, touch: true }}>
      <Badge variant="dot" color={color} tabIndex={reason ? 0 : undefined}>
        {label}
        {reason && <span className="visually-hidden">: {reason}</span>}
      </Badge>
    </Tooltip>
  );
}
