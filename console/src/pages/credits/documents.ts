import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

export const ALLOCATIONS = graphql(`
  query Allocations($search: String, $first: Int, $after: String) {
    allocations(search: $search, first: $first, after: $after) {
      nodes {
        balance
        unit
        ratePerUnitUsd
        valueUsd
        lastSentAt
        client {
          id
          name
          status
          createdAt
          group {
            name
          }
        }
        group {
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

export type AllocationRow = ResultOf<typeof ALLOCATIONS>["allocations"]["nodes"][number];

export const ALLOCATE = graphql(`
  mutation Allocate($input: AllocateInput!) {
    result: allocate(input: $input) {
      ... on Allocated {
        transfer {
          id
          description
          balanceAfter
          unit
        }
        allocation {
          client {
            id
          }
        }
      }
      ...Problem
    }
  }
`, [PROBLEM]);
