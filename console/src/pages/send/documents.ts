import { graphql, type ResultOf } from "../../api/graphql";
import { PROBLEM, REJECTED } from "../../api/fragments";

export const QUOTE = graphql(`
  query Quote($input: QuoteInput!) {
    quote(input: $input) {
      accepted
      rejectedCount
      rejected {
        ...Rejected
      }
      encoding
      segments
      costlyCharacters
      cost
      balance
      affordable
      held
      heldUntil
      problem {
        message
      }
    }
  }
`, [REJECTED]);

export type Quote = ResultOf<typeof QUOTE>["quote"];

export const SEND_TO_ALL = graphql(`
  mutation SendToAll($input: BulkSendInput!) {
    result: bulkSend(input: $input) {
      ... on Send {
        id
      }
      ...Problem
      ... on OutcomeUnknown {
        sendId
      }
    }
  }
`, [PROBLEM]);

export const SEND_FILE = graphql(`
  mutation SendFile($input: CsvSendInput!) {
    result: csvSend(input: $input) {
      ... on Send {
        id
      }
      ...Problem
      ... on OutcomeUnknown {
        sendId
      }
    }
  }
`, [PROBLEM]);

export const FIND_CONTACTS = graphql(`
  query FindContacts($search: String) {
    contacts(first: 20, search: $search) {
      nodes {
        id
        number
        name
        optedOut
      }
    }
  }
`);

export const QUOTE_FILE = graphql(`
  query QuoteFile($input: QuoteCsvInput!) {
    quoteCsv(input: $input) {
      accepted
      rejectedCount
      rejected {
        ...Rejected
      }
      columns {
        number
        text
      }
      samples {
        line
        number
        text
      }
      cost
      balance
      affordable
      held
      heldUntil
      problem {
        message
      }
    }
  }
`, [REJECTED]);

export type FileQuote = ResultOf<typeof QUOTE_FILE>["quoteCsv"];
