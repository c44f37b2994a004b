import { Alert, Badge, Button, Code, Group, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useDisclosure, useThrottledCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { useAction } from "../../api/useAction";
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
import { TITLES } from "../overview/Alarms";
import { AccountModal } from "./AccountModal";
import { CredentialsModal } from "./CredentialsModal";
import { ACCOUNTS, PAUSE_ACCOUNT, type ProviderAccount } from "./documents";
import { RoutesSection } from "./RoutesSection";

/** The accounts at providers, each with its pool. */
export function ProvidersPage() {
  const { data, failure, isLoading, reload } = useData(ACCOUNTS, {}, { types: ["ProviderAccount", "Synced"] });
  const version = useBalances()?.version;
  const reloadSoon = useThrottledCallback(reload, 2_000);
  useEffect(reloadSoon, [version, reloadSoon]);
  const [isSetting, setting] = useDisclosure();
  const [edited, setEdited] = useState<ProviderAccount | "new" | null>(null);
  const accounts = data?.providerAccounts ?? [];
  return (
    <Page
      title="Providers"
      description="Accounts at providers, each with the pool of units that it pays for."
      actions={
        <Group>
          <Button variant="default" onClick={setting.open}>
            Set credentials
          </Button>
          <Button onClick={() => setEdited("new")}>Add an account</Button>
        </Group>
      }
    >
      <FailureNote failure={failure} />
      {isLoading && <Waiting />}
      {data?.providerAccounts.length === 0 && (
        <EmptyState title="No provider account">Set the provider's key in the settings and start again.</EmptyState>
      )}
      {accounts.map((account) => (
        <Account key={account.id} account={account} onEdit={() => setEdited(account)} onChange={reload} />
      ))}
      {accounts.length > 1 && <RoutesSection accounts={accounts} />}
      <CredentialsModal
        key={String(isSetting)}
        isOpen={isSetting}
        providers={[...new Set(accounts.map(({ provider }) => provider))]}
        onClose={setting.close}
        onChange={reload}
      />
      {edited && (
        <AccountModal
          isOpen
          account={edited === "new" ? null : edited}
          onClose={() => setEdited(null)}
          onChange={reload}
        />
      )}
    </Page>
  );
}

interface AccountProps {
  account: ProviderAccount;
  onEdit: () => void;
  onChange: () => void;
}

function Account({ account, onEdit, onChange }: AccountProps) {
  const { platform } = account;
  const pause = useAction(PAUSE_ACCOUNT);
  const alarms = platform.alarms.filter(({ kind }) => kind === "PAUSED" || kind === "PROVIDER_REFUSING");

  async function toggle() {
    const { success } = await pause.run({ input: { id: account.id, paused: !account.paused } });
    if (success) onChange();
  }

  const owner = account.owner ? `Own account of ${account.owner.name}` : "The platform's account";
  const title = account.name ?? account.provider;
  const name = `${title}, ${owner}`;
  return (
    <Paper withBorder p="md" component="section" aria-label={name}>
      <Group justify="space-between" mb="sm">
        <div>
          <Group gap="xs">
            <Title order={2} size="h4">
              {title}
            </Title>
            {account.isDefault && <Badge variant="light">Default</Badge>}
          </Group>
          <Text size="sm" c="dimmed">
            {account.name && `${account.provider} · `}
            {owner} · {units(account.pricePerMessage, account.unit)} for each message
          </Text>
        </div>
        <Group>
          <PoolState state={platform.state} />
          <SyncButton providerAccountId={account.id} />
          {!account.owner && (
            <Button variant="default" onClick={onEdit}>
              Edit
            </Button>
          )}
          <Button variant="default" loading={pause.isBusy} onClick={() => void toggle()}>
            {account.paused ? "Resume" : "Pause"}
          </Button>
        </Group>
      </Group>
      <FailureNote failure={pause.failure} />
      {alarms.map((alarm) => (
        <Alert key={alarm.kind} color="red" variant="outline" mb="sm" title={TITLES[alarm.kind]}>
          {alarm.message} <TimeText at={alarm.since} relative />.
        </Alert>
      ))}
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
        <Text size="sm" c="dimmed">
          Webhook address:{" "}
          <Code style={{ overflowWrap: "anywhere" }}>{location.origin + account.webhookPath}</Code>
        </Text>
      </Stack>
    </Paper>
  );
}
