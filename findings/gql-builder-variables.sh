#!/usr/bin/env bash
# gql-query-builder makes one variable of two: the second of two texts is sent twice, and the first is not sent.
#
# Software:  gql-query-builder 3.8.0, which writes GraphQL operations, and graphql 16.11.0, which executes them (npm).
# Seen:      2026-11, Node 20.
# Behaviour: A program gives the names and the values of the arguments. The library declares a variable for each. The
#            schema is in this script. Neither the library nor the server has an error.
#            (1) A list of operations becomes one, as the README shows. Arguments with the same name have one variable,
#                with the last value. If each of two texts has an alias, the second is sent twice. Without aliases, the
#                two fields are equal, and GraphQL merges them: the second is sent once. The first is never sent.
#            (2) A query for five messages and ten contacts gets ten of each.
#            (3) A Date as a value is declared as a String, and its value is dropped. If the argument has that type and
#                may be absent, a text for tomorrow is sent now.
# Output seen:
#            two texts with aliases: sent "B" to +12025550102, sent "B" to +12025550102
#            two texts: sent "B" to +12025550102
#            5 messages, 10 contacts: read 10 messages, read 10 contacts
#            a text at a time as Date: sent "A" to +12025550101
#            a text at a time as text: sent "A" to +12025550101 at 2026-12-01T09:00:00.000Z
# For us:    With an idempotency key in the input, the two texts of one variable are one send (docs/api/sending.md).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts gql-query-builder@3.8.0 graphql@16.11.0 \
  >/dev/null)

cat >"$folder/observe.cjs" <<'NODE'
const { mutation, query } = require("gql-query-builder");
const { buildSchema, graphql } = require("graphql");

const schema = buildSchema(`
  type Query { messages(first: Int): Boolean, contacts(first: Int): Boolean }
  type Mutation { send(to: String, text: String, at: String): Boolean }
`);
const done = [];
const rootValue = {
  messages: ({ first }) => !!done.push(`read ${first} messages`),
  contacts: ({ first }) => !!done.push(`read ${first} contacts`),
  send: ({ to, text, at }) => !!done.push(`sent ${JSON.stringify(text)} to ${to}${at ? ` at ${at}` : ""}`),
};

async function observe(label, { query, variables }) {
  done.length = 0;
  const variableValues = JSON.parse(JSON.stringify(variables)); // as in a request
  const { errors } = await graphql({ schema, source: query, variableValues, rootValue });
  console.log(`${label}: ${errors ?? done.join(", ")}`);
}

(async () => {
  const [a, b] = [{ text: "A", to: "+12025550101" }, { text: "B", to: "+12025550102" }];
  const named = (alias) => ({ name: "send", alias });
  await observe("two texts with aliases", mutation([
    { operation: named("a"), variables: a },
    { operation: named("b"), variables: b },
  ]));
  await observe("two texts", mutation([{ operation: "send", variables: a }, { operation: "send", variables: b }]));
  await observe("5 messages, 10 contacts", query([
    { operation: "messages", variables: { first: 5 } },
    { operation: "contacts", variables: { first: 10 } },
  ]));
  const at = new Date("2026-12-01T09:00:00Z");
  await observe("a text at a time as Date", mutation({ operation: "send", variables: { ...a, at } }));
  await observe("a text at a time as text", mutation({ operation: "send", variables: { ...a, at: at.toISOString() } }));
})();
NODE

node "$folder/observe.cjs" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
two texts with aliases: sent "B" to +12025550102, sent "B" to +12025550102
two texts: sent "B" to +12025550102
5 messages, 10 contacts: read 10 messages, read 10 contacts
a text at a time as Date: sent "A" to +12025550101
a text at a time as text: sent "A" to +12025550101 at 2026-12-01T09:00:00.000Z
SEEN
