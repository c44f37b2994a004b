import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

export const ACCOUNTS = graphql(`
  query ProviderAccounts {
    providerAccounts {
      id
      provider
      name
      isDefault
      paused
      messagesPerSecond
      configuration {
        name
        value
      }
      unit
      pricePerMessage
      providerBalance
      lastCheckedAt
      webhookPath
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
        alarms {
          kind
          message
          since
        }
      }
    }
  }
`);

export const KINDS = graphql(`
  query ProviderKinds {
    providerKinds {
      name
      fields {
        name
        description
        required
        secret
        default
      }
    }
  }
`);

export const CREATE_ACCOUNT = graphql(`
  mutation CreateProviderAccount($input: CreateProviderAccountInput!) {
    result: createProviderAccount(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const UPDATE_ACCOUNT = graphql(`
  mutation UpdateProviderAccount($input: UpdateProviderAccountInput!) {
    result: updateProviderAccount(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const PAUSE_ACCOUNT = graphql(`
  mutation PauseProviderAccount($input: PauseProviderAccountInput!) {
    result: pauseProviderAccount(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const SET_CREDENTIALS = graphql(`
  mutation SetProviderCredentials($input: SetProviderCredentialsInput!) {
    result: setProviderCredentials(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const ROUTES = graphql(`
  query ProviderRoutes {
    providerRoutes {
      id
      prefix
      poolId
      providerAccountId
      cost
      fallbackAccountId
      fallbackCost
    }
  }
`);

export const SET_ROUTE = graphql(`
  mutation SetProviderRoute($input: SetProviderRouteInput!) {
    result: setProviderRoute(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const DELETE_ROUTE = graphql(`
  mutation DeleteProviderRoute($id: ID!) {
    result: deleteProviderRoute(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export type ProviderKind = ResultOf<typeof KINDS>["providerKinds"][number];
export type ProviderAccount = ResultOf<typeof ACCOUNTS>["providerAccounts"][number];
