import { graphql, type ResultOf } from "../../api/graphql";
import { NAMED_CLIENT, PROBLEM } from "../../api/fragments";

export const UNKNOWN = graphql(`
  query UnknownMessages($first: Int, $after: String) {
    messages(status: UNKNOWN, first: $first, after: $after) {
      nodes {
        id
        number
        text
        createdAt
        updatedAt
        sendId
        client {
          ...NamedClient
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`, [NAMED_CLIENT]);

export type UnknownMessage = ResultOf<typeof UNKNOWN>["messages"]["nodes"][number];

export const SETTLE = graphql(`
  mutation SettleUnknown($input: SettleUnknownInput!) {
    result: settleUnknown(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const SETTLE_MANY = graphql(`
  mutation SettleUnknowns($input: SettleUnknownsInput!) {
    result: settleUnknowns(input: $input) {
      ... on SettledUnknowns {
        dryRun
        messages
        remaining
        attemptedBefore
        totals {
          unit
          messages
          units
        }
      }
      ...Problem
    }
  }
`, [PROBLEM]);
