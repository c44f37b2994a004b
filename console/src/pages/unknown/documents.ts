import { graphql, type ResultOf } from "../../api/graphql";

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
          id
          name
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`);

export type UnknownMessage = ResultOf<typeof UNKNOWN>["messages"]["nodes"][number];

export const SETTLE = graphql(`
  mutation SettleUnknown($input: SettleUnknownInput!) {
    result: settleUnknown(input: $input) {
      __typename
      ... on Message {
        id
        status
      }
      ... on UserError {
        message
      }
      ... on InvalidInput {
        field
      }
    }
  }
`);
