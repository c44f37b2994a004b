import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

export const API_KEYS = graphql(`
  query ApiKeys {
    apiKeys {
      id
      name
      prefix
      createdAt
      lastUsedAt
    }
  }
`);

export type ApiKey = ResultOf<typeof API_KEYS>["apiKeys"][number];

export const CREATE_KEY = graphql(`
  mutation CreateApiKey($name: String!) {
    result: createApiKey(input: { name: $name }) {
      ... on CreatedApiKey {
        secret
        apiKey {
          id
        }
      }
      ...Problem
    }
  }
`, [PROBLEM]);

export const REVOKE_KEY = graphql(`
  mutation RevokeApiKey($id: ID!) {
    result: revokeApiKey(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const SESSIONS = graphql(`
  query MySessions {
    mySessions {
      id
      createdAt
      refreshedAt
      expiresAt
      current
    }
  }
`);

export const END_SESSION = graphql(`
  mutation EndSession($id: ID!) {
    result: endSession(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const END_OTHER_SESSIONS = graphql(`
  mutation EndOtherSessions {
    result: endOtherSessions
  }
`);

export const QUIET_HOURS = graphql(`
  query QuietHours {
    viewer {
      id
      client {
        id
        quietHours {
          start
          end
          timeZone
        }
      }
    }
  }
`);

export const SET_QUIET_HOURS = graphql(`
  mutation SetQuietHours($quietHours: QuietHoursInput) {
    result: setQuietHours(input: { quietHours: $quietHours }) {
      ...Problem
    }
  }
`, [PROBLEM]);
