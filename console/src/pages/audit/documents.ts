import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM } from "../../api/fragments";

const AUDIT = graphql(`
  fragment Audit on LedgerAudit @_unmask {
    id
    state
    startedAt
    finishedAt
    percent
    holds
    accountsChecked
    transfersChecked
    messagesChecked
    violations
  }
`);

export type Audit = ResultOf<typeof AUDIT>;

export const AUDITS = graphql(`
  query LedgerAudits($first: Int, $after: String) {
    ledgerAudits(first: $first, after: $after) {
      nodes {
        ...Audit
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`, [AUDIT]);

export const START = graphql(`
  mutation StartLedgerAudit {
    result: startLedgerAudit {
      ... on LedgerAudit {
        ...Audit
      }
      ...Problem
    }
  }
`, [AUDIT, PROBLEM]);

export const PROGRESS = graphql(`
  subscription LedgerAuditProgress($id: ID!) {
    ledgerAuditProgress(id: $id) {
      ...Audit
    }
  }
`, [AUDIT]);
