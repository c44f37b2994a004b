// Watches one subscription with a stock client, and prints what it receives: a JSON
// line for each event, for each connection made, and for each one lost.
// node watch.mjs CLIENT ADDRESS TOKEN_FILE QUERY: the token is read again for each connection.

import { readFileSync } from "node:fs";
import WebSocket from "ws";

const [kind, address, tokenFile, query] = process.argv.slice(2);
const authorization = () => `Bearer ${readFileSync(tokenFile, "utf8").trim()}`;
const say = (line) => console.log(JSON.stringify(line));

async function overWebsocket() {
  const { createClient } = await import("graphql-ws");
  return createClient({
    url: `${address.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: () => ({ Authorization: authorization() }),
    lazy: true,
    retryAttempts: 1000,
    retryWait: () => new Promise((again) => setTimeout(again, 50)),
    // A connection that is refused is a close event in a browser, and an error in Node.
    shouldRetry: () => true,
    on: {
      connected: () => say({ connected: true }),
      closed: (event) => say({ closed: event.code ?? 0 }),
    },
  });
}

async function overEvents() {
  const { createClient } = await import("graphql-sse");
  return createClient({
    url: `${address}/graphql`,
    headers: () => ({ authorization: authorization() }),
    retryAttempts: 1000,
    retry: () => new Promise((again) => setTimeout(again, 50)),
    on: { connected: () => say({ connected: true }) },
  });
}

// The payload is sent again after each reconnect: what is written into its variables resumes.
function resumeAfter(data, variables) {
  if (query.includes("$since") && data) variables.since = data.inboundMessage.id;
}

async function plain(client) {
  const variables = {};
  for await (const result of client.iterate({ query, variables })) {
    resumeAfter(result.data, variables);
    say({ next: result });
  }
}

async function apollo(client) {
  const { ApolloClient, ApolloLink, InMemoryCache, gql } = await import(
    "@apollo/client/core/index.js"
  );
  const { GraphQLWsLink } = await import("@apollo/client/link/subscriptions/index.js");
  const { tap } = await import("rxjs");
  const resuming = new ApolloLink((operation, forward) =>
    forward(operation).pipe(tap(({ data }) => resumeAfter(data, operation.variables))),
  );
  const link = ApolloLink.from([resuming, new GraphQLWsLink(client)]);
  const apollo = new ApolloClient({ link, cache: new InMemoryCache() });
  await apollo.subscribe({ query: gql(query) }).forEach((result) => say({ next: result }));
}

async function urql(client) {
  const { Client, subscriptionExchange } = await import("@urql/core");
  const forwardSubscription = (request) => ({
    subscribe: (sink) => {
      const next = (result) => {
        resumeAfter(result.data, request.variables);
        sink.next(result);
      };
      return { unsubscribe: client.subscribe(request, { ...sink, next }) };
    },
  });
  const exchanges = [subscriptionExchange({ forwardSubscription })];
  const asking = new Client({ url: `${address}/graphql`, exchanges, preferGetMethod: false });
  await new Promise((complete) => {
    asking.subscription(query, {}).subscribe(({ data, error, hasNext }) => {
      say({ next: { data, errors: error?.graphQLErrors } });
      if (!hasNext) complete();
    });
  });
}

const run = {
  "graphql-ws": async () => plain(await overWebsocket()),
  "graphql-sse": async () => plain(await overEvents()),
  apollo: async () => apollo(await overWebsocket()),
  urql: async () => urql(await overWebsocket()),
};
try {
  await run[kind]();
  say({ complete: true });
} catch (failure) {
  say({ failed: failure?.message ?? JSON.stringify(failure) });
}
