export interface Call {
  title: string;
  explanation: string;
  text: (address: string) => string;
}

const graphqlCall = (address: string, query: string, variables?: object) => {
  const body = JSON.stringify(variables ? { query, variables } : { query });
  return `curl -s ${address}/graphql \\
  -H 'content-type: application/json' \\
  -H "authorization: Bearer $API_KEY" \\
  -d '${body}'`;
};

/** Calls that work as they are, with an API key in the variable API_KEY. */
export const CALLS: Call[] = [
  {
    title: "Send one message",
    explanation:
      "The idempotency key makes a repetition safe: the same key with the same input answers with the same send and charges nothing.",
    text: (address) =>
      graphqlCall(
        address,
        "mutation ($input: SendInput!) { send(input: $input) { __typename ... on Send { id charged } ... on UserError { message } } }",
        { input: { to: "+1 202 555 0100", text: "Good morning", idempotencyKey: "order-17" } },
      ),
  },
  {
    title: "Send one text to many people",
    explanation: "Numbers that are not accepted are listed with the reason and never charged.",
    text: (address) =>
      graphqlCall(
        address,
        "mutation ($input: BulkSendInput!) { bulkSend(input: $input) { __typename ... on Send { id accepted rejected { input message } } ... on UserError { message } } }",
        { input: { to: ["+1 202 555 0100", "+1 202 555 0101"], text: "We open at nine." } },
      ),
  },
  {
    title: "Quote a send",
    explanation: "What it would do and cost. Nothing is sent.",
    text: (address) =>
      graphqlCall(
        address,
        "query ($input: QuoteInput!) { quote(input: $input) { accepted rejectedCount segments cost balance affordable } }",
        { input: { to: ["+1 202 555 0100"], text: "Good morning" } },
      ),
  },
  {
    title: "Read the balance",
    explanation: "The version grows with every change.",
    text: (address) => graphqlCall(address, "{ balances { version account { balance unit } } }"),
  },
  {
    title: "Read the newest messages",
    explanation: "At most 100 on a page. Pass endCursor as `after` to get the next page.",
    text: (address) =>
      graphqlCall(
        address,
        "{ messages(first: 25) { nodes { id direction number text status failure } pageInfo { hasNextPage endCursor } } }",
      ),
  },
  {
    title: "Upload a file and send to its rows",
    explanation: "{{name}} is replaced by the value in the column “name” of each row.",
    text: (address) => `curl -s ${address}/uploads \\
  -H 'content-type: text/csv' \\
  -H "authorization: Bearer $API_KEY" \\
  --data-binary @people.csv

${graphqlCall(
  address,
  "mutation ($input: CsvSendInput!) { csvSend(input: $input) { __typename ... on Send { id accepted rejectedCount } ... on UserError { message } } }",
  { input: { uploadId: "UPLOAD_ID", text: "Hello {{name}}" } },
)}`,
  },
  {
    title: "Receive messages as they come",
    explanation:
      "Server-sent events. Pass the ID of the last message as `since` after a break: nothing is left out.",
    text: (address) => `curl -sN ${address}/graphql \\
  -H 'content-type: application/json' \\
  -H 'accept: text/event-stream' \\
  -H "authorization: Bearer $API_KEY" \\
  -d '{"query":"subscription { inboundMessage { id number text createdAt } }"}'`,
  },
];
