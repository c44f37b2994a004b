import { Badge } from "@mantine/core";

const LOOKS = {
  ACTIVE: { label: "Active", color: "green" },
  DORMANT: { label: "Dormant", color: "gray" },
  SUSPENDED: { label: "Suspended", color: "red" },
};

export function ClientStatusBadge({ status }: { status: keyof typeof LOOKS }) {
  const { label, color } = LOOKS[status];
  return (
    <Badge variant="dot" color={color}>
      {label}
    </Badge>
  );
}
