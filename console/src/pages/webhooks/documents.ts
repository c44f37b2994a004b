import { graphql, type ResultOf } from "../../api/graphql";
import { NAMED_CLIENT, PROBLEM } from "../../api/fragments";

const EVENT = graphql(`
  fragment Event on WebhookEvent @_unmask {
    id
    receivedAt
    provider
    outcome
    reason
    modem
    port
    times
    optOutPending
    sender
    payload
    client {
      ...NamedClient
    }
    inbound {
      id
      number
      text
    }
  }
`, [NAMED_CLIENT]);

export type WebhookEvent = ResultOf<typeof EVENT>;
export type Outcome = WebhookEvent["outcome"];

export const EVENTS = graphql(`
  query WebhookEvents($outcome: WebhookOutcome, $first: Int, $after: String) {
    webhookEvents(outcome: $outcome, first: $first, after: $after) {
      nodes {
        ...Event
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`, [EVENT]);

export const WAITING_EVENTS = graphql(`
  query WaitingEvents {
    webhookEvents(outcome: UNROUTED, first: 100) {
      nodes {
        ...Event
      }
    }
  }
`, [EVENT]);

export const STATUS = graphql(`
  query WebhookStatus {
    webhookStatus {
      eventsLastHour
      unrouted
      pendingOptOuts
      refusedLastHour
      lastRoutedClient {
        id
        name
      }
      lastEvent {
        ...Event
      }
    }
  }
`, [EVENT]);

export const WEBHOOK_RECEIVED = graphql(`
  subscription WebhookReceived {
    webhookReceived {
      ...Event
    }
  }
`, [EVENT]);

export const ASSIGN = graphql(`
  mutation AssignInbound($input: AssignInboundInput!) {
    result: assignInbound(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);