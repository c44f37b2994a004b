import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

const RUN = graphql(`
  fragment Run on Reconciliation @_unmask {
    id
    startedAt
    finishedAt
    dryRun
    sendsChecked
    messagesChecked
    chargedMissing
    refundedExcess
    unknownResolved
    unknownLeft
    differences {
      sendId
      expected
      found
      corrected
      explanation
      client {
        id
        name
      }
    }
  }
`);

export type Run = ResultOf<typeof RUN>;

export const RUNS = graphql(`
  query Reconciliations($first: Int, $after: String) {
    reconciliations(first: $first, after: $after) {
      nodes {
        ...Run
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`, [RUN]);

export const RECONCILE = graphql(`
  mutation Reconcile($input: ReconcileInput) {
    result: reconcile(input: $input) {
      ... on Reconciliation {
        ...Run
      }
      ...Problem
    }
  }
`, [RUN, PROBLEM]);

export const RUN_PROGRESS = graphql(`
  subscription ReconcileProgress($id: ID!) {
    reconcileProgress(id: $id) {
      ...Run
    }
  }
`, [RUN]);
