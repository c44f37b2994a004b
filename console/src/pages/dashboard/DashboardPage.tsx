import { Alert, SimpleGrid, Title } from "@mantine/core";
import { lazy, Suspense } from "react";
import { useBalances } from "../../app/balances";
import { ButtonLink } from "../../components/links";
import { Figure } from "../../components/Figure";
import { Page } from "../../components/Page";
import { Waiting } from "../../components/Waiting";
import { units, usd } from "../../text/numbers";
import { RecentSends } from "./RecentSends";

// Loaded last: the figures come first.
const MessageChart = lazy(() =>
  import("../../components/charts/MessageChart").then((file) => ({ default: file.MessageChart })),
);

/** A client's start page: what is left, and what was sent. */
export function DashboardPage() {
  const balances = useBalances();
  return (
    <Page title="Overview" actions={<ButtonLink to="/send">New send</ButtonLink>}>
      {balances === null ? <Waiting lines={2} /> : <Figures />}
      <section aria-labelledby="recent">
        <Title order={2} size="h4" id="recent" mb="xs">
          Recent sends
        </Title>
        <RecentSends />
      </section>
      <Suspense fallback={<Waiting lines={5} />}>
        <MessageChart title="Messages of the last 14 days" by="DAY" periods={14} show="outcomes" />
      </Suspense>
    </Page>
  );
}

function Figures() {
  const balances = useBalances();
  const account = balances?.account;
  const group = balances?.group;
  if (!account) return null;
  const affordable = Math.max(0, Math.floor(account.balance / account.pricePerMessage));
  return (
    <>
      {(account.isLow || affordable === 0) && (
        <Alert color="orange" variant="outline" title="The balance is low" role="status">
          It is enough for {units(affordable, "message")}. Ask your administrator for more.
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
        <Figure
          label="Balance"
          value={units(account.balance, account.unit)}
          note={account.valueUsd ? `Worth ${usd(account.valueUsd)}` : null}
        />
        <Figure
          label="Enough for"
          value={units(affordable, "message")}
          note={`${units(account.pricePerMessage, account.unit)} each`}
        />
        {group && (
          <Figure
            label={`Group ${group.name}`}
            value={units(group.balance, group.unit)}
            note={`${units(group.unallocated, group.unit)} not allocated`}
          />
        )}
      </SimpleGrid>
    </>
  );
}
