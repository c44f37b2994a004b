import { Paper, Stack, Text } from "@mantine/core";
import { useThrottledCallback } from "@mantine/hooks";
import { useEffect } from "react";
import { COUNTS } from "../../api/fragments";
import { graphql } from "../../api/graphql";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { useBalances } from "../../app/balances";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { TextLink } from "../../components/links";
import { SendProgress } from "../../components/SendProgress";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { count } from "../../text/numbers";
import { MESSAGE_UPDATED } from "../sends/documents";

const RECENT = graphql(`
  query RecentSends {
    sends(first: 5) {
      nodes {
        id
        createdAt
        accepted
        counts {
          ...Counts
        }
      }
    }
  }
`, [COUNTS]);

export function RecentSends() {
  const { data, failure, isLoading, reload } = useData(RECENT, {}, { types: ["Send"] });
  const version = useBalances()?.version;
  const reloadSoon = useThrottledCallback(reload, 1_000);
  useLive(MESSAGE_UPDATED, {}, reloadSoon);
  // A new version of the balances can mean a new send.
  useEffect(reloadSoon, [version, reloadSoon]);
  if (isLoading) return <Waiting lines={3} />;
  const sends = data?.sends.nodes ?? [];
  if (failure) return <FailureNote failure={failure} />;
  if (sends.length === 0) {
    return (
      <EmptyState title="Nothing has been sent yet">
        <TextLink to="/send">Send a first message</TextLink>
      </EmptyState>
    );
  }
  return (
    <Stack gap="xs">
      {sends.map((send) => (
        <Paper key={send.id} withBorder p="sm">
          <Text size="sm" mb={4}>
            <TextLink to="/sends/$sendId" params={{ sendId: send.id }}>
              {count(send.accepted)} {send.accepted === 1 ? "message" : "messages"}
            </TextLink>{" "}
            · <TimeText at={send.createdAt} />
          </Text>
          <SendProgress counts={send.counts} />
        </Paper>
      ))}
    </Stack>
  );
}
