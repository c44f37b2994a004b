import { graphql, type ResultOf } from "../../api/graphql";

export const TRANSFERS = graphql(`
  query Transfers($clientId: ID, $filter: TransferFilter, $first: Int, $after: String) {
    transfers(clientId: $clientId, filter: $filter, first: $first, after: $after) {
      nodes {
        id
        kind
        amount
        unit
        balanceAfter
        valueUsd
        description
        sendId
        createdAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`);

export type TransferRow = ResultOf<typeof TRANSFERS>["transfers"]["nodes"][number];
export type TransferKind = TransferRow["kind"];

export const KINDS: Record<TransferKind, string> = {
  OPENING: "Opening",
  ALLOCATION: "Allocation",
  SEND: "Send",
  REFUND: "Refund",
  SYNC: "Balance check",
  RECONCILE: "Correction",
  ROUTE_CREDIT: "Sent by another account",
  ROUTE_COST: "Cost of a route",
};
