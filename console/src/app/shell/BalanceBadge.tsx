import { Text } from "@mantine/core";
import { Changing } from "../../components/Changing";
import { units } from "../../text/numbers";
import { useBalances } from "../balances";

/** The balance of the viewer, on every page: of its account, of the default pool, or of its group. */
export function BalanceBadge() {
  const balances = useBalances();
  const figure = balances?.account
    ? { amount: balances.account.balance, unit: balances.account.unit, label: "Balance" }
    : balances?.platform
      ? { amount: balances.platform.pool, unit: balances.platform.unit, label: "Pool" }
      : balances?.group
        ? { amount: balances.group.balance, unit: balances.group.unit, label: "Group" }
        : null;
  if (!figure) return null;
  return (
    <Text size="sm" fw={600} style={{ whiteSpace: "nowrap" }}>
      <Text span size="sm" c="dimmed" visibleFrom="xs">
        {figure.label}{" "}
      </Text>
      <Changing value={units(figure.amount, figure.unit)} />
    </Text>
  );
}
