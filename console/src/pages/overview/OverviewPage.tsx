import { Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import { useBalances } from "../../app/balances";
import { useBrand } from "../../app/brand";
import { Figure } from "../../components/Figure";
import { ButtonLink } from "../../components/links";
import { Page } from "../../components/Page";
import { PoolState, reasonOf } from "../../components/PoolState";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { units } from "../../text/numbers";
import { Alarms } from "./Alarms";
import { SyncButton } from "./SyncButton";

// Loaded last: the figures come first.
const MessageChart = lazy(() =>
  import("../../components/charts/MessageChart").then((file) => ({ default: file.MessageChart })),
);

/** The operator's start page: what the pool holds, and what needs a person. */
export function OverviewPage() {
  const platform = useBalances()?.platform;
  const brand = useBrand();
  return (
    <Page
      title="Overview"
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
      <Suspense fallback={<Waiting lines={5} />}>
        <SimpleGrid cols={{ base: 1, md: 2 }}>
          <MessageChart title="Throughput of the last 24 hours" by="HOUR" periods={24} show="throughput" />
          <MessageChart title="Outcomes of the last 14 days" by="DAY" periods={14} show="outcomes" />
        </SimpleGrid>
      </Suspense>
    </Page>
  );
}
