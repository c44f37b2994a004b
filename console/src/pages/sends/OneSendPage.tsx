import { Alert, Button, Group, SimpleGrid } from "@mantine/core";
import { useDisclosure, useThrottledCallback } from "@mantine/hooks";
import { useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { useBalances } from "../../app/balances";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Figure } from "../../components/Figure";
import { FormModal } from "../../components/FormModal";
import { HeldNote } from "../../components/HeldNote";
import { Page } from "../../components/Page";
import { RejectedList } from "../../components/RejectedList";
import { SendProgress } from "../../components/SendProgress";
import { Waiting } from "../../components/Waiting";
import { count, units, usd } from "../../text/numbers";
import { fullTime } from "../../text/times";
import { CANCEL, PROGRESS, type Progress, SEND } from "./documents";
import { SendMessages } from "./SendMessages";

const RELOAD_MILLISECONDS = 1_000;

/** One send: its counts as they change, and its messages. */
export function OneSendPage() {
  const { sendId = "" } = useParams({ strict: false }) as { sendId?: string };
  const { data, failure, isLoading, reload } = useData(SEND, { id: sendId });
  const [progress, setProgress] = useState<Progress | null>(null);
  const unit = useBalances()?.account?.unit ?? "credit";
  useLive(PROGRESS, { id: sendId }, (events) => {
    const last = events.at(-1);
    if (last) setProgress(last.sendProgress);
  });
  // The progress ends when every message has an outcome. Delivery reports come later.
  const reloadSoon = useThrottledCallback(reload, RELOAD_MILLISECONDS);
  useEffect(() => setProgress((last) => (last?.finished ? null : last)), [data]);

  if (isLoading) return <Waiting />;
  const send = data?.send;
  if (!send) {
    return (
      <Page title="Send">
        <FailureNote failure={failure} />
        {!failure && <EmptyState title="Not found">There is no such send.</EmptyState>}
      </Page>
    );
  }
  const present = progress?.id === send.id ? progress : send;
  return (
    <Page
      title={`Send of ${fullTime(send.createdAt)}`}
      actions={<CancelButton sendId={send.id} queued={present.counts.queued} />}
    >
      <SimpleGrid cols={{ base: 2, sm: 4 }}>
        <Figure
          label="Accepted"
          value={count(send.accepted)}
          note={send.valueUsd && `Worth ${usd(send.valueUsd)}`}
        />
        <Figure label="Not accepted" value={count(send.rejectedCount)} note="Never charged" />
        <Figure label="Charged" value={units(present.charged, unit)} />
        <Figure label="State" value={stateOf(present.finished, send.sendAt)} />
      </SimpleGrid>
      <div role="status" aria-live="polite">
        <SendProgress counts={present.counts} size="xl" />
      </div>
      {!present.finished && <HeldNote held={send.held} heldUntil={send.heldUntil} />}
      {present.counts.unknown > 0 && (
        <Alert color="yellow" variant="outline" title="Some outcomes are unknown">
          These messages may have been sent. They stay charged and are not sent again by themselves.
          Your operator looks into them.
        </Alert>
      )}
      <RejectedList rejected={send.rejected} total={send.rejectedCount} />
      <SendMessages sendId={send.id} isFinished={present.finished} onChange={() => present.finished && reloadSoon()} />
    </Page>
  );
}

function stateOf(isFinished: boolean, sendAt: string | null): string {
  if (isFinished) return "Finished";
  const isLater = sendAt !== null && Date.parse(sendAt) > Date.now();
  return isLater ? `Scheduled for ${fullTime(sendAt)}` : "In progress";
}

function CancelButton({ sendId, queued }: { sendId: string; queued: number }) {
  const [isOpen, { open, close }] = useDisclosure();
  const cancel = useAction(CANCEL);
  return (
    <Group>
      {queued > 0 && (
        <Button variant="default" onClick={open}>
          Cancel what is queued
        </Button>
      )}
      <FormModal
        title="Cancel the send?"
        verb="Cancel the send"
        isFinal
        isOpen={isOpen}
        form={cancel}
        onClose={close}
        onSave={() => cancel.run({ sendId })}
      >
        <div>
          {units(queued, "message")} or so {queued === 1 ? "is" : "are"} still queued. What is queued will
          not be sent, and its charge is given back. Messages that have left stay charged.
        </div>
      </FormModal>
    </Group>
  );
}
