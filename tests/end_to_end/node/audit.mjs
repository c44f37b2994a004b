// Asks a server what the GraphQL over HTTP specification asks of it, with the audits of the
// graphql-http library, and prints a JSON line for each.
// node audit.mjs ADDRESS

import { auditServer } from "graphql-http";

for (const result of await auditServer({ url: `${process.argv[2]}/graphql`, fetchFn: fetch })) {
  const { id, name, status, reason } = result;
  console.log(JSON.stringify({ id, name, status, reason: reason ?? null }));
}
