import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

export const CONTACTS = graphql(`
  query Contacts(
    $search: String
    $filter: ContactFilter
    $orderBy: ContactOrder
    $first: Int
    $after: String
  ) {
    contacts(search: $search, filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      nodes {
        id
        number
        name
        business
        optedOut
        createdAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`);

export type Contact = ResultOf<typeof CONTACTS>["contacts"]["nodes"][number];

export type ContactOrder = "NEWEST" | "OLDEST" | "NAME";

export const SAVE = graphql(`
  mutation SaveContact($input: SaveContactInput!) {
    result: saveContact(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const DELETE = graphql(`
  mutation DeleteContact($id: ID!) {
    result: deleteContact(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const IMPORT = graphql(`
  mutation ImportContacts($uploadId: ID!, $column: String) {
    result: importContacts(input: { uploadId: $uploadId, column: $column }) {
      ... on ContactsImported {
        created
        updated
        columns {
          numbers
          leftOut
        }
        rejected {
          input
          position
          reason
          message
        }
      }
      ...Problem
    }
  }
`, [PROBLEM]);
