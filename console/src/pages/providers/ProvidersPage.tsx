import { Button, Group, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useDisclosure, useThrottledCallback } from "@mantine/hooks";
import { useEffect } from "react";
import { useData } from "../../api/useData";
import { useBalances } from "../../app/balances";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Figure } from "../../components/Figure";
import { Page } from "../../components/Page";
import { PoolState, reasonOf } from "../../components/PoolState";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { units } from "../../text/numbers";
import { SyncButton } from "../overview/SyncButton";
import { CredentialsModal } from "./CredentialsModal";
import { ACCOUNTS, type ProviderAccount } from "./documents";

/** The accounts at providers, each with its pool. */
export function ProvidersPage() {
  const { data, failure, isLoading, reload } = useData(ACCOUNTS, {}, { types: ["ProviderAccount", "Synced"] });
  const version = useBalances()?.version;
  const reloadSoon = useThrottledCallback(reload, 2_000);
  useEffect(reloadSoon, [version, reloadSoon]);
  const [isSetting, setting] = useDisclosure();
  const accounts = data?.providerAccounts ?? [];
  return (
    <Page
      title="Providers"
      description="Accounts at providers, each with the pool of units that it pays for."
      actions={
        <Button variant="default" onClick={setting.open}>
          Set credentials
        </Button>
      }
    >
      <FailureNote failure={failure} />
      {isLoading && <Waiting />}
      {data?.providerAccounts.length === 0 && (
        <EmptyState title="No provider account">Set the provider's key in the settings and start again.</EmptyState>
      )}
      {accounts.map((account) => (
        <Account key={account.id} account={account} />
      ))}
      <CredentialsModal
        key={String(isSetting)}
        isOpen={isSetting}
        providers={[...new Set(accounts.map(({ provider }) => provider))]}
        onClose={setting.close}
        onChange={reload}
      />
    </Page>
  );
}

function Account({ account }: { account: ProviderAccount }) {
  const { platform } = account;
  const owner = account.owner ? `Own account of ${account.owner.name}` : "The platform's account";
  const name = `${account.provider}, ${owner}`;
  return (
    <Paper withBorder p="md" component="section" aria-label={name}>
      <Group justify="space-between" mb="sm">
        <div>
          <Title order={2} size="h4">
            {account.provider}
          </Title>
          <Text size="sm" c="dimmed">
            {owner} · {units(account.pricePerMessage, account.unit)} for each message
          </Text>
        </div>
        <Group>
          <PoolState state={platform.state} />
          <SyncButton providerAccountId={account.id} />
        </Group>
      </Group>
      <SimpleGrid cols={{ base: 2, sm: 4 }}>
        <Figure of={name} label="Pool" value={units(platform.pool, platform.unit)} />
        <Figure of={name} label="Allocated" value={units(platform.allocated, platform.unit)} />
        <Figure of={name} label="Remaining" value={units(platform.remaining, platform.unit)} />
        <Figure of={name} label="In flight" value={units(platform.inFlight, platform.unit)} />
      </SimpleGrid>
      <Stack gap={2} mt="sm">
        <Text size="sm">{reasonOf(platform.state)}</Text>
        {account.lastCheckedAt && (
          <Text size="sm" c="dimmed">
            Last reading: {account.providerBalance}, <TimeText at={account.lastCheckedAt} relative />
          </Text>
        )}
      </Stack>
    </Paper>
  );
}
