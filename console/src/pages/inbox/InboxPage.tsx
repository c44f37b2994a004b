import { Box, Grid } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { EmptyState } from "../../components/EmptyState";
import { Page } from "../../components/Page";
import { ConversationList } from "./ConversationList";
import { NotifyButton } from "./NotifyButton";
import { Thread } from "./Thread";

/** Conversations, and the one that is open. On a phone, one of the two at a time. */
export function InboxPage() {
  const { conversationId } = useParams({ strict: false }) as { conversationId?: string };
  const isOpen = conversationId !== undefined;
  return (
    <Page title="Inbox" actions={<NotifyButton />}>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, sm: 5, md: 4 }} visibleFrom={isOpen ? "sm" : undefined}>
          <ConversationList openId={conversationId ?? null} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, sm: 7, md: 8 }} visibleFrom={isOpen ? undefined : "sm"}>
          {isOpen ? (
            <Thread key={conversationId} conversationId={conversationId} />
          ) : (
            <Box mt="xl">
              <EmptyState title="No conversation is open">Choose one on the left.</EmptyState>
            </Box>
          )}
        </Grid.Col>
      </Grid>
    </Page>
  );
}
