import { graphql } from "./graphql";

/** Why a mutation did nothing: see `useAction`. */
export const PROBLEM = graphql(`
  fragment Problem on UserError @_unmask {
    message
    ... on InvalidInput {
      field
    }
  }
`);
