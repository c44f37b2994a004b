import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

export const TEMPLATES = graphql(`
  query Templates($search: String, $first: Int, $after: String) {
    templates(search: $search, first: $first, after: $after) {
      nodes {
        id
        name
        text
        placeholders
        updatedAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`);

export type Template = ResultOf<typeof TEMPLATES>["templates"]["nodes"][number];

export const SAVE_TEMPLATE = graphql(`
  mutation SaveTemplate($input: SaveTemplateInput!) {
    result: saveTemplate(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

export const DELETE_TEMPLATE = graphql(`
  mutation DeleteTemplate($id: ID!) {
    result: deleteTemplate(input: { id: $id }) {
      ...Problem
    }
  }
`, [PROBLEM]);
