import { Alert, Stack } from "@mantine/core";
import { useThrottledCallback } from "@mantine/hooks";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { type Balances, useBalances } from "../../app/balances";
import { TextLink } from "../../components/links";
import { TimeText } from "../../components/TimeText";
import { units } from "../../text/numbers";
import { MESSAGE_UPDATED } from "../sends/documents";
import { WEBHOOK_RECEIVED } from "../webhooks/documents";
import { WAITING } from "./documents";

type Alarm = NonNullable<Balances["platform"]>["alarms"][number];

export const TITLES: Record<Alarm["kind"], string> = {
  OVER_ALLOCATED: "Clients hold more than the provider does",
  NEEDS_SYNC: "The pool may not agree with the provider",
  UNKNOWN_OLD: "Messages have been unknown for long",
  DISPATCH_STALLED: "Messages are due and none leaves",
  PROVIDER_REFUSING: "The provider refuses the account",
  PAUSED: "The provider account is paused",
  LOW_BALANCE: "Clients are running low",
  WEBHOOK_FAILING: "Webhooks of clients fail",
};

/** What a person should look at: the alarms of the API, and what waits for a decision. */
export function Alarms() {
  const alarms = useBalances()?.platform?.alarms ?? [];
  return (
    <Stack gap="xs" component="section" aria-label="Alarms">
      {alarms.map((alarm) => (
        <Alert
          key={alarm.kind}
          color={alarm.kind === "LOW_BALANCE" ? "orange" : "red"}
          variant="outline"
          title={TITLES[alarm.kind]}
        >
          {alarm.message} <TimeText at={alarm.since} relative />.
        </Alert>
      ))}
      <Waiting />
    </Stack>
  );
}

function Waiting() {
  const { data, reload } = useData(WAITING, {});
  const reloadSoon = useThrottledCallback(reload, 2_000);
  useLive(WEBHOOK_RECEIVED, {}, reloadSoon);
  useLive(MESSAGE_UPDATED, {}, reloadSoon);
  if (!data) return null;
  const { unrouted, pendingOptOuts, refusedLastHour } = data.webhookStatus;
  return (
    <>
      {pendingOptOuts > 0 && (
        <Alert color="red" variant="outline" title={`${units(pendingOptOuts, "opt-out")} without a decision`}>
          <TextLink to="/webhooks">Say whom they were for</TextLink>
        </Alert>
      )}
      {unrouted > 0 && (
        <Alert color="orange" variant="outline" title={`${units(unrouted, "inbound message")} without a client`}>
          <TextLink to="/webhooks">Assign them to clients</TextLink>
        </Alert>
      )}
      {data.messages.nodes.length > 0 && (
        <Alert color="yellow" variant="outline" title="Some messages have an unknown outcome">
          <TextLink to="/unknown">Settle them</TextLink>
        </Alert>
      )}
      {refusedLastHour > 0 && (
        <Alert
          color="red"
          variant="outline"
          title={`${units(refusedLastHour, "refused webhook call")} in the last hour`}
        >
          A provider shows a wrong secret, or somebody else calls.{" "}
          <TextLink to="/webhooks">See the events</TextLink>
        </Alert>
      )}
    </>
  );
}
