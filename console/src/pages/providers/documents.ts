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

export const SET_CREDENTIALS = graphql(`
  mutation SetProviderCredentials($input: SetProviderCredentialsInput!) {
    result: setProviderCredentials(input: $input) {
      __typename
      ... on ProviderAccount {
        id
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

export type ProviderAccount = ResultOf<typeof ACCOUNTS>["providerAccounts"][number];
