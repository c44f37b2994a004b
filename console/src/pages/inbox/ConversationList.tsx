import { Badge, Button, Center, Group, Stack, Switch, Text } from "@mantine/core";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { useFilters } from "../../app/filters";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { PageLink, TextLink } from "../../components/links";
import { SearchField } from "../../components/SearchField";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { phone } from "../../text/phones";
import { CONVERSATION_UPDATED, type ConversationRow, INBOX } from "./documents";

export function ConversationList({ openId }: { openId: string | null }) {
  const [{ search = null, unread }, change] = useFilters();
  const unreadOnly = unread === "only";
  const pages = usePages(INBOX, { search, unreadOnly }, (data) => data.inbox);
  useLive(CONVERSATION_UPDATED, {}, (events) => {
    pages.replace(events.map(({ conversationUpdated }) => conversationUpdated));
    pages.refresh(); // the order can have changed, too
  });
  return (
    <Stack gap="xs">
      <SearchField label="Search by number or name" />
      <Switch
        label="Unread only"
        checked={unreadOnly}
        onChange={(event) => change({ unread: event.currentTarget.checked ? "only" : null })}
      />
      <FailureNote failure={pages.failure} />
      {pages.isLoading && pages.items.length === 0 && <Waiting />}
      {!pages.isLoading && pages.items.length === 0 && (
        <EmptyState title={search || unreadOnly ? "Nothing found" : "No conversations yet"}>
          {search || unreadOnly ? (
            "Change the search to see other conversations."
          ) : (
            <>
              A conversation begins when somebody writes.{" "}
              <TextLink to="/send">Send a message</TextLink> that asks for an answer.
            </>
          )}
        </EmptyState>
      )}
      <nav aria-label="Conversations">
        {pages.items.map((conversation) => (
          <ConversationItem
            key={conversation.id}
            conversation={conversation}
            isOpen={conversation.id === openId}
          />
        ))}
      </nav>
      {pages.hasMore && (
        <Center>
          <Button variant="subtle" onClick={pages.loadMore}>
            Load more
          </Button>
        </Center>
      )}
    </Stack>
  );
}

function ConversationItem({
  conversation,
  isOpen,
}: {
  conversation: ConversationRow;
  isOpen: boolean;
}) {
  const { contact, number, unread, lastMessage } = conversation;
  return (
    <PageLink
      to="/inbox/$conversationId"
      params={{ conversationId: conversation.id }}
      search
      state
      active={isOpen}
      aria-current={isOpen ? "page" : undefined}
      label={
        <Group justify="space-between" wrap="nowrap" gap="xs">
          <Text span dir="auto" fw={unread > 0 ? 700 : 500} truncate>
            {contact?.name ?? phone(number)}
          </Text>
          <Text span size="xs" c="dimmed">
            <TimeText at={lastMessage.createdAt} />
          </Text>
        </Group>
      }
      description={
        <Text span size="sm" c="dimmed" lineClamp={1}>
          {contact?.optedOut ? "Opted out · " : ""}
          {lastMessage.direction === "OUTBOUND" ? "You: " : ""}
          {lastMessage.text}
        </Text>
      }
      rightSection={
        unread > 0 ? (
          <Badge circle={unread < 10} aria-label={`${unread} unread`}>
            {unread}
          </Badge>
        ) : null
      }
    />
  );
}
