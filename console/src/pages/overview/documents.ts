import { graphql } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

export const SYNC = graphql(`
  mutation Sync($providerAccountId: ID) {
    result: sync(input: { providerAccountId: $providerAccountId }) {
      ... on Synced {
        change
        balances {
          platform {
            unit
            pool
            state
          }
        }
      }
      ...Problem
    }
  }
`, [PROBLEM]);

export const WAITING = graphql(`
  query Waiting {
    webhookStatus {
      unrouted
      pendingOptOuts
      refusedLastHour
    }
    messages(status: UNKNOWN, first: 1) {
      nodes {
        id
      }
    }
  }
`);
