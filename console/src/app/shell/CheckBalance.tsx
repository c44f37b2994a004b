import { Button, Stack, Text } from "@mantine/core";
import { RefreshCw } from "lucide-react";
import { graphql } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";
import { useAction } from "../../api/useAction";
import { FailureNote } from "../../components/FailureNote";
import { TimeText } from "../../components/TimeText";
import { units } from "../../text/numbers";
import { ownsProviderAccount, useBalances } from "../balances";

const CHECK = graphql(`
  mutation CheckBalance {
    result: sync(input: {}) {
      ...Problem
    }
  }
`, [PROBLEM]);

/** For schools: reads the balance of their own provider account. */
export function CheckBalance() {
  const balances = useBalances();
  const check = useAction(CHECK);
  const platform = balances?.platform;
  if (!ownsProviderAccount(balances) || !platform) return null;
  return (
    <Stack gap="xs" pt="sm">
      <Text size="sm">
        {units(platform.pool, platform.unit)}
        {platform.providerBalance !== null && platform.lastSyncedAt !== null && (
          <Text span size="xs" c="dimmed" display="block">
            Reading: {platform.providerBalance}, <TimeText at={platform.lastSyncedAt} relative />
          </Text>
        )}
      </Text>
      <Button
        variant="default"
        leftSection={<RefreshCw size={16} aria-hidden />}
        loading={check.isBusy}
        onClick={() => void check.run({})}
      >
        Check balance
      </Button>
      <FailureNote failure={check.failure} />
    </Stack>
  );
}
