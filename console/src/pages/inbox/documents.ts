import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

const ROW = graphql(`
  fragment ConversationRow on Conversation @_unmask {
    id
    number
    unread
    pinned
    contact {
      id
      name
      optedOut
    }
    lastMessage {
      id
      text
      direction
      status
      createdAt
    }
  }
`);

const BUBBLE = graphql(`
  fragment Bubble on Message @_unmask {
    id
    direction
    text
    status
    failure
    createdAt
  }
`);

export const INBOX = graphql(`
  query Inbox($search: String, $unreadOnly: Boolean, $first: Int, $after: String) {
    inbox(search: $search, unreadOnly: $unreadOnly, first: $first, after: $after) {
      nodes {
        ...ConversationRow
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`, [ROW]);

export type ConversationRow = ResultOf<typeof ROW>;
export type Bubble = ResultOf<typeof BUBBLE>;

export const CONVERSATION = graphql(`
  query Conversation($id: ID!) {
    conversation(id: $id) {
      ...ConversationRow
    }
  }
`, [ROW]);

export const THREAD = graphql(`
  query Thread($id: ID!, $first: Int, $after: String) {
    conversation(id: $id) {
      id
      messages(first: $first, after: $after) {
        nodes {
          ...Bubble
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`, [BUBBLE]);

export const CONVERSATION_UPDATED = graphql(`
  subscription ConversationUpdated {
    conversationUpdated {
      ...ConversationRow
    }
  }
`, [ROW]);

export const THREAD_UPDATED = graphql(`
  subscription ThreadUpdated {
    messageUpdated {
      number
      ...Bubble
    }
  }
`, [BUBBLE]);

export const REPLY = graphql(`
  mutation Reply($input: ReplyInput!) {
    result: reply(input: $input) {
      ... on Reply {
        warning
        sent {
          id
        }
      }
      ...Problem
      ... on OutcomeUnknown {
        sendId
      }
    }
  }
`, [PROBLEM]);

export const MARK_READ = graphql(`
  mutation MarkRead($conversationId: ID!) {
    result: markRead(input: { conversationId: $conversationId }) {
      ... on Conversation {
        id
        unread
      }
      ...Problem
    }
  }
`, [PROBLEM]);
