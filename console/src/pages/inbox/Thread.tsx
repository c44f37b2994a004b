import { Alert, Badge, Button, Center, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { ArrowLeft } from "lucide-react";
import { useEffect, useRef } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { ButtonLink } from "../../components/links";
import { MessageText } from "../../components/MessageText";
import { StatusBadge } from "../../components/StatusBadge";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { phone } from "../../text/phones";
import {
  type Bubble,
  CONVERSATION,
  CONVERSATION_UPDATED,
  MARK_READ,
  THREAD,
  THREAD_UPDATED,
} from "./documents";
import { ReplyForm } from "./ReplyForm";

const NOTHING = { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } };

/** One conversation, live: what was written, and a field to reply. */
export function Thread({ conversationId }: { conversationId: string }) {
  const { data, failure, isLoading, reload } = useData(CONVERSATION, { id: conversationId });
  const pages = usePages(
    THREAD,
    { id: conversationId },
    (found) => found.conversation?.messages ?? NOTHING,
  );
  const markRead = useAction(MARK_READ);
  const conversation = data?.conversation ?? null;

  useLive(CONVERSATION_UPDATED, {}, (events) => {
    if (events.every(({ conversationUpdated }) => conversationUpdated.id !== conversationId)) return;
    reload();
    pages.refresh();
  });
  useLive(THREAD_UPDATED, {}, (events) => {
    const messages = events.map(({ messageUpdated }) => messageUpdated);
    if (!pages.replace(messages.filter(({ number }) => number === conversation?.number))) {
      pages.refresh();
    }
  });
  const unread = conversation?.unread ?? 0;
  const { run } = markRead;
  const reading = useRef(run);
  reading.current = run;
  useEffect(() => {
    if (unread > 0 && !document.hidden) void reading.current({ conversationId });
  }, [unread, conversationId]);

  if (isLoading) return <Waiting />;
  if (!conversation) {
    return failure ? (
      <FailureNote failure={failure} />
    ) : (
      <EmptyState title="Not found">There is no such conversation.</EmptyState>
    );
  }
  const { contact, number, pinned } = conversation;
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <ButtonLink to="/inbox" search state variant="default" size="compact-sm" hiddenFrom="sm" aria-label="Back to the conversations">
          <ArrowLeft size={16} aria-hidden />
        </ButtonLink>
        <Title order={2} size="h4">
          {contact?.name ?? phone(number)}
        </Title>
        {contact?.name && <Text c="dimmed">{phone(number)}</Text>}
        {contact?.optedOut && (
          <Badge variant="outline" color="red">
            Opted out
          </Badge>
        )}
      </Group>
      <Messages messages={pages.items} hasMore={pages.hasMore} onMore={pages.loadMore} />
      {contact?.optedOut ? (
        <Alert color="red" variant="outline">
          This person has opted out. Nothing can be sent to the number.
        </Alert>
      ) : (
        <ReplyForm conversationId={conversationId} isPinned={pinned} onSent={pages.refresh} />
      )}
    </Stack>
  );
}

interface MessagesProps {
  messages: Bubble[];
  hasMore: boolean;
  onMore: () => void;
}

function Messages({ messages, hasMore, onMore }: MessagesProps) {
  const end = useRef<HTMLDivElement>(null);
  const newest = messages[0]?.id;
  useEffect(() => {
    if (newest) end.current?.scrollTo({ top: end.current.scrollHeight });
  }, [newest]);
  return (
    <Paper
      withBorder
      p="sm"
      ref={end}
      mah="60vh"
      style={{ overflowY: "auto" }}
      role="log"
      aria-label="Messages"
      tabIndex={0}
    >
      {hasMore && (
        <Center mb="sm">
          <Button variant="subtle" size="compact-sm" onClick={onMore}>
            Earlier messages
          </Button>
        </Center>
      )}
      <Stack gap="xs">
        {messages.toReversed().map((message) => (
          <MessageBubble key={message.id} message={message} />
        ))}
      </Stack>
    </Paper>
  );
}

function MessageBubble({ message }: { message: Bubble }) {
  const isOwn = message.direction === "OUTBOUND";
  return (
    <Paper
      withBorder
      p="xs"
      maw="85%"
      bg={isOwn ? "var(--mantine-primary-color-light)" : undefined}
      style={{ alignSelf: isOwn ? "flex-end" : "flex-start" }}
    >
      <MessageText text={message.text} />
      <Group gap="xs" justify={isOwn ? "flex-end" : "flex-start"}>
        <Text size="xs" c={isOwn ? undefined : "dimmed"}>
          <span className="visually-hidden">{isOwn ? "Sent" : "Received"}</span>{" "}
          <TimeText at={message.createdAt} />
        </Text>
        {isOwn && message.status && (
          <StatusBadge status={message.status} failure={message.failure} />
        )}
      </Group>
    </Paper>
  );
}
