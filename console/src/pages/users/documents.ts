import { graphql, type ResultOf } from "../../api/graphql";
import { NAMED_CLIENT, PROBLEM } from "../../api/fragments";

export const USERS = graphql(`
  query Users($clientId: ID, $first: Int, $after: String) {
    users(clientId: $clientId, first: $first, after: $after) {
      nodes {
        id
        email
        role
        disabled
        createdAt
        client {
          ...NamedClient
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
`, [NAMED_CLIENT]);

export type User = ResultOf<typeof USERS>["users"]["nodes"][number];

export const CREATE_USER = graphql(`
  mutation CreateUser($input: CreateUserInput!) {
    result: createUser(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const UPDATE_USER = graphql(`
  mutation UpdateUser($input: UpdateUserInput!) {
    result: updateUser(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const ROLES: Record<User["role"], string> = {
  ADMIN: "Administrator",
  SUPERVISOR: "Supervisor",
  CLIENT: "Client",
};
