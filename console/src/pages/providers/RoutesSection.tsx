import { Button, Group, Paper, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { actionColumn } from "../../components/columns";
import { FailureNote } from "../../components/FailureNote";
import { PlainTable } from "../../components/PlainTable";
import { units } from "../../text/numbers";
import { DELETE_ROUTE, type ProviderAccount, ROUTES } from "./documents";
import { RouteModal } from "./RouteModal";

type Route = ResultOf<typeof ROUTES>["providerRoutes"][number];

/** Which account sends to which prefix, for the clients of a pool. */
export function RoutesSection({ accounts }: { accounts: ProviderAccount[] }) {
  const { data, failure, reload } = useData(ROUTES, {}, { types: ["ProviderRoute"] });
  const [isAdding, setAdding] = useState(false);
  const remove = useAction(DELETE_ROUTE);
  const routes = data?.providerRoutes ?? [];

  async function erase(id: string) {
    const { success } = await remove.run({ id });
    if (success) reload();
  }

  return (
    <Paper withBorder p="md" component="section" aria-labelledby="routes-title">
      <Group justify="space-between" mb="sm">
        <div>
          <Title order={2} size="h4" id="routes-title">
            Routes by prefix
          </Title>
          <Text size="sm" c="dimmed">
            Numbers with a prefix are sent by another account. Its pool pays the cost; the client
            pays its own price.
          </Text>
        </div>
        <Button variant="default" onClick={() => setAdding(true)}>
          Set a route
        </Button>
      </Group>
      <FailureNote failure={failure ?? remove.failure} />
      <PlainTable
        label="Routes by prefix"
        rows={routes}
        columns={[
          { header: "Prefix", cell: ({ prefix }) => `+${prefix}` },
          { header: "Clients of", cell: ({ poolId }) => titleOf(accounts, poolId) },
          { header: "Sent by", cell: ({ providerAccountId, cost }) => withCost(accounts, providerAccountId, cost) },
          {
            header: "If that has not sent it",
            cell: ({ fallbackAccountId, fallbackCost }) =>
              fallbackAccountId ? withCost(accounts, fallbackAccountId, fallbackCost ?? 1) : "It waits",
          },
          actionColumn<Route>(["Delete", ({ prefix }) => `Delete the route of +${prefix}`, ({ id }) => void erase(id)]),
        ]}
      />
      {isAdding && (
        <RouteModal accounts={accounts} onClose={() => setAdding(false)} onChange={reload} />
      )}
    </Paper>
  );
}

function titleOf(accounts: ProviderAccount[], id: string): string {
  const account = accounts.find((each) => each.id === id);
  return account ? (account.name ?? account.provider) : "An account that is not listed";
}

function withCost(accounts: ProviderAccount[], id: string, cost: number): string {
  const unit = accounts.find((each) => each.id === id)?.unit ?? "unit";
  return `${titleOf(accounts, id)}, ${units(cost, unit)}`;
}
