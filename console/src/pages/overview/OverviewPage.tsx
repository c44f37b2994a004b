import { Alert, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useThrottledCallback } from "@mantine/hooks";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { useBalances } from "../../app/balances";
import { useBrand } from "../../app/brand";
import { Figure } from "../../components/Figure";
import { ButtonLink, TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { PoolState, reasonOf } from "../../components/PoolState";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { count, units } from "../../text/numbers";
import { MESSAGE_UPDATED } from "../sends/documents";
import { WEBHOOK_RECEIVED } from "../webhooks/documents";
import { ALARMS } from "./documents";
import { SyncButton } from "./SyncButton";

/** The operator's start page: what the pool holds, and what needs a person. */
export function OverviewPage() {
  const platform = useBalances()?.platform;
  const brand = useBrand();
  return (
    <Page title="Overview" 
      actions={
        <>
          <ButtonLink to="/reconcile" variant="default">
            Reconcile
          </ButtonLink>
          <SyncButton />
        </>
      }
    >
      {!platform ? (
        <Waiting lines={3} />
      ) : (
        <>
          <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
            <Figure
              label={`${brand} Balance`}
              value={units(platform.pool, platform.unit)}
              note="What may still be sent"
            />
            <Figure
              label="Allocated Credits"
              value={units(platform.allocated, platform.unit)}
              note="What clients hold"
            />
            <Figure
              label="Remaining Credits"
              value={units(platform.remaining, platform.unit)}
              note="Balance less allocated"
            />
            <Figure
              label="In flight"
              value={units(platform.inFlight, platform.unit)}
              note="Charged, not yet with the provider"
            />
          </SimpleGrid>
          <Stack gap={4}>
            <Group gap="xs">
              <PoolState state={platform.state} />
              {platform.lastSyncedAt && (
                <Text size="sm" c="dimmed">
                  Reading {platform.providerBalance}, <TimeText at={platform.lastSyncedAt} relative />
                </Text>
              )}
            </Group>
            <Text size="sm">{reasonOf(platform.state)}</Text>
          </Stack>
        </>
      )}
      <Alarms />
    </Page>
  );
}

/** What waits for a person. */
function Alarms() {
  const { data, reload } = useData(ALARMS, {});
  const reloadSoon = useThrottledCallback(reload, 2_000);
  useLive(WEBHOOK_RECEIVED, {}, reloadSoon);
  useLive(MESSAGE_UPDATED, {}, reloadSoon);
  if (!data) return null;
  const { unrouted, refusedLastHour } = data.webhookStatus;
  return (
    <Stack gap="xs" component="section" aria-label="Alarms">
      {unrouted > 0 && (
        <Alert color="orange" variant="outline" title={`${count(unrouted)} inbound messages belong to nobody`}>
          <TextLink to="/webhooks">Assign them to clients</TextLink>
        </Alert>
      )}
      {data.messages.nodes.length > 0 && (
        <Alert color="yellow" variant="outline" title="Some messages have an unknown outcome">
          <TextLink to="/unknown">Settle them</TextLink>
        </Alert>
      )}
      {refusedLastHour > 0 && (
        <Alert color="red" variant="outline" title={`${count(refusedLastHour)} webhook calls were refused in the last hour`}>
          A provider shows a wrong secret, or somebody else calls. <TextLink to="/webhooks">See the events</TextLink>
        </Alert>
      )}
    </Stack>
  );
}
