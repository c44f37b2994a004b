import { graphql, type ResultOf } from "../../api/graphql";
import { COUNTS, PROBLEM, REJECTED } from "../../api/fragments";

export const SENDS = graphql(`
  query Sends($filter: SendFilter, $first: Int, $after: String) {
    sends(filter: $filter, first: $first, after: $after) {
      nodes {
        id
        createdAt
        kind
        charged
        accepted
        rejectedCount
        finished
        sendAt
        heldUntil
        counts {
          ...Counts
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`, [COUNTS]);

export type SendRow = ResultOf<typeof SENDS>["sends"]["nodes"][number];
export type SendKind = SendRow["kind"];

export const KINDS: Record<SendKind, string> = {
  SINGLE: "One message",
  BULK: "One text to many",
  MULTI: "A text for each number",
  CSV: "File",
  REPLY: "Reply",
};

export const SEND = graphql(`
  query Send($id: ID!) {
    send(id: $id) {
      id
      createdAt
      charged
      valueUsd
      sendAt
      held
      heldUntil
      accepted
      rejectedCount
      rejected {
        ...Rejected
      }
      finished
      counts {
        ...Counts
      }
    }
  }
`, [COUNTS, REJECTED]);

export const PROGRESS = graphql(`
  subscription SendProgress($id: ID!) {
    sendProgress(sendId: $id) {
      id
      charged
      finished
      counts {
        ...Counts
      }
    }
  }
`, [COUNTS]);

export type Progress = ResultOf<typeof PROGRESS>["sendProgress"];

export const MESSAGES = graphql(`
  query MessagesOfSend($id: ID!, $status: MessageStatus, $first: Int, $after: String) {
    send(id: $id) {
      id
      messages(status: $status, first: $first, after: $after) {
        nodes {
          id
          number
          text
          status
          failure
          updatedAt
        }
        pageInfo {
          hasNextPage
          endCursor
        }
        totalCount
      }
    }
  }
`);

export type MessageRow = NonNullable<ResultOf<typeof MESSAGES>["send"]>["messages"]["nodes"][number];

export const MESSAGE_UPDATED = graphql(`
  subscription MessageUpdated($sendId: ID) {
    messageUpdated(sendId: $sendId) {
      id
      number
      text
      status
      failure
      updatedAt
      sendId
    }
  }
`);

export const CANCEL = graphql(`
  mutation CancelSend($sendId: ID!) {
    result: cancelSend(input: { sendId: $sendId }) {
      ...Problem
    }
  }
`, [PROBLEM]);
