import { Badge } from "@mantine/core";
import type { Balances } from "../app/balances";

type Platform = NonNullable<Balances["platform"]>;
type State = Platform["state"];

const STATES: Record<State, { label: string; color: string; reason: string }> = {
  IN_SYNC: { label: "In sync", color: "green", reason: "The pool agrees with the provider's last reading." },
  NEEDS_SYNC: {
    label: "Needs sync",
    color: "yellow",
    reason:
      "Since the last reading a message has an unknown outcome, the provider refused the account, or the reading is older than 24 hours. Sync reads the balance again.",
  },
  OVER_ALLOCATED: {
    label: "Over-allocated",
    color: "red",
    reason: "Clients hold more than the provider does. Buy units from the provider, or take some back.",
  },
  NEVER_SYNCED: {
    label: "Never synced",
    color: "gray",
    reason: "The provider's balance has not been read yet. Sync reads it.",
  },
  PROVIDER_UNREACHABLE: {
    label: "Provider unreachable",
    color: "red",
    reason: "The last try to read the provider's balance failed. The last good reading is shown. Check the provider account, then sync.",
  },
};

export function reasonOf(state: State): string {
  return STATES[state].reason;
}

export function PoolState({ state }: { state: State }) {
  const { label, color } = STATES[state];
  return (
    <Badge variant="dot" size="lg" color={color}>
      {label}
    </Badge>
  );
}
