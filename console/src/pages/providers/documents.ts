import { graphql, type ResultOf } from "../../api/graphql";

export const ACCOUNTS = graphql(`
  query ProviderAccounts {
    providerAccounts {
      id
      provider
      unit
      pricePerMessage
      providerBalance
      lastCheckedAt
      owner {
        id
        name
      }
      platform {
        unit
        pool
        allocated
        remaining
        inFlight
        state
      }
    }
  }
`);

export type ProviderAccount = ResultOf<typeof ACCOUNTS>["providerAccounts"][number];
