import { graphql, type ResultOf } from "../../api/graphql";
import { NAMED_CLIENT, PROBLEM } from "../../api/fragments";

const ENDPOINT = graphql(`
  fragment ShownEndpoint on WebhookEndpoint {
    id
    url
    description
    events
    status
    pauseReason
  }
`);

export const ENDPOINTS = graphql(`
  query WebhookEndpoints($callbacks: Boolean!, $isAdmin: Boolean!) {
    webhookEndpoints(callbacks: $callbacks) {
      ...ShownEndpoint
      client @include(if: $isAdmin) {
        ...NamedClient
      }
    }
  }
`, [ENDPOINT, NAMED_CLIENT]);

export const CREATE = graphql(`
  mutation CreateWebhookEndpoint($input: CreateWebhookEndpointInput!) {
    result: createWebhookEndpoint(input: $input) {
      ... on WebhookEndpointSecret {
        endpoint {
          ...ShownEndpoint
        }
        secret
      }
      ...Problem
    }
  }
`, [ENDPOINT, PROBLEM]);

export const UPDATE = graphql(`
  mutation UpdateWebhookEndpoint($input: UpdateWebhookEndpointInput!) {
    result: updateWebhookEndpoint(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const DELETE = graphql(`
  mutation DeleteWebhookEndpoint($id: ID!) {
    result: deleteWebhookEndpoint(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const ROTATE = graphql(`
  mutation RotateWebhookSecret($id: ID!) {
    result: rotateWebhookSecret(input: { id: $id }) {
      ... on WebhookEndpointSecret {
        secret
      }
      ...Problem
    }
  }
`, [PROBLEM]);

const DELIVERY = graphql(`
  fragment ShownDelivery on WebhookDelivery {
    id
    type
    status
    attempts
    occurredAt
    durationMs
    url
    answerStatus
    error
  }
`);

export const TEST = graphql(`
  mutation TestWebhookEndpoint($id: ID!) {
    result: testWebhookEndpoint(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const REDELIVER = graphql(`
  mutation Redeliver($deliveryId: ID!) {
    result: redeliver(input: { deliveryId: $deliveryId }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const DELIVERIES = graphql(`
  query WebhookDeliveries(
    $endpointId: ID!
    $status: WebhookDeliveryStatus
    $first: Int!
    $after: String
  ) {
    webhookDeliveries(endpointId: $endpointId, status: $status, first: $first, after: $after) {
      nodes {
        ...ShownDelivery
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`, [DELIVERY]);

// The same answer is not pushed twice, so it has to hold what the list shows.
export const ENDPOINT_UPDATED = graphql(`
  subscription WebhookEndpointUpdated($id: ID!) {
    webhookEndpointUpdated(id: $id) {
      id
      status
      deliveries(first: 50) {
        nodes {
          id
          status
          attempts
        }
      }
    }
  }
`);

export type Endpoint = ResultOf<typeof ENDPOINTS>["webhookEndpoints"][number];
export type EndpointStatus = Endpoint["status"];
export type EventType = Endpoint["events"][number];
export type Delivery = ResultOf<typeof DELIVERY>;
