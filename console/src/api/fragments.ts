// Fragments that documents of several pages use.
import { graphql } from "./graphql";

/** Why a mutation did nothing: see `useAction`. */
export const PROBLEM = graphql(`
  fragment Problem on UserError @_unmask {
    __typename
    message
    ... on InvalidInput {
      field
    }
  }
`);

/** A client, and what tells it from another one of the same name: see `distinctNames`. */
export const NAMED_CLIENT = graphql(`
  fragment NamedClient on Client @_unmask {
    id
    name
    createdAt
    group {
      name
    }
  }
`);

/** The messages of a send by status. */
export const COUNTS = graphql(`
  fragment Counts on MessageCounts @_unmask {
    queued
    submitting
    sent
    delivered
    undelivered
    rejected
    unknown
    cancelled
  }
`);

/** A recipient that was not accepted, and why. */
export const REJECTED = graphql(`
  fragment Rejected on RejectedRecipient @_unmask {
    input
    position
    reason
    message
  }
`);
