import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

const CLIENT = graphql(`
  fragment ClientFields on Client @_unmask {
    id
    name
    business
    status
    assignedNumbers
    ratePerUnitUsd
    lowBalanceThreshold
    createdAt
    group {
      id
      name
      ratePerUnitUsd
    }
  }
`);

export type Client = ResultOf<typeof CLIENT>;

export const CLIENTS = graphql(`
  query Clients($search: String, $groupId: ID, $first: Int, $after: String) {
    clients(search: $search, groupId: $groupId, first: $first, after: $after) {
      nodes {
        ...ClientFields
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`, [CLIENT]);

export const CREATE_CLIENT = graphql(`
  mutation CreateClient($input: CreateClientInput!) {
    result: createClient(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const UPDATE_CLIENT = graphql(`
  mutation UpdateClient($input: UpdateClientInput!) {
    result: updateClient(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const GROUPS = graphql(`
  query Groups {
    groups {
      id
      name
      ratePerUnitUsd
    }
  }
`);

export type ClientGroup = ResultOf<typeof GROUPS>["groups"][number];

export const CREATE_GROUP = graphql(`
  mutation CreateGroup($input: CreateGroupInput!) {
    result: createGroup(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const UPDATE_GROUP = graphql(`
  mutation UpdateGroup($input: UpdateGroupInput!) {
    result: updateGroup(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);
