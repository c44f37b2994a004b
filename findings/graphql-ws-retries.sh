#!/usr/bin/env bash
# graphql-ws sends a mutation again without end if the connection closes before its result: retryAttempts is no limit.
#
# Software:  graphql-ws 6.4.2 with ws 8.23.0, and graphql-sse 2.6.1 (npm), GraphQL clients.
# Seen:      2026-11, Node 20.
# Behaviour: Both libraries connect again by themselves, and then repeat each operation that has no result yet: a
#            subscription, and a mutation as well. The server has read the operation each time.
#            (1) graphql-ws: each connection that is acknowledged sets the count of retries to zero. So
#                retryAttempts (5 by default) is no limit if the server closes later, as each load balancer and each
#                server does that restarts (1012). The caller sees nothing until a result comes.
#            (2) graphql-sse posts it six times, also if the answer had begun.
#            retryAttempts: 0 prevents both, and ends subscriptions at the first lost connection. The documentation
#            of retryAttempts speaks of reconnecting, and not of operations that are repeated.
# Output seen:
#            graphql-ws: more than 6 times, no error yet
#            graphql-ws, retryAttempts 0: once, error 1012
#            graphql-sse: 6 times, error NetworkError
#            graphql-sse, retryAttempts 0: once, error NetworkError
# For us:    docs/api/live.md says to send mutations by POST, or with an idempotency key.
#
# Runs servers on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install $program first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts graphql-ws@6.4.2 ws@8.23.0 \
  graphql-sse@2.6.1 graphql@16.15.0 >/dev/null)

cat >"$folder/observe.cjs" <<'NODE'
const http = require("node:http");
const { WebSocket, WebSocketServer } = require("ws");

const MUTATION = 'mutation { send(input: {to: "+12025550101", text: "Hello"}) { id } }';
const WAIT = 60_000;

const times = (count) => (count === 1 ? "once" : count > 6 ? "more than 6 times" : `${count} times`);

const ended = (client) =>
  new Promise((resolve) => {
    setTimeout(resolve, WAIT, "no error yet");
    client.subscribe(
      { query: MUTATION },
      {
        next: () => {},
        error: (problem) => resolve(`error ${problem.code ?? problem.name ?? problem.constructor.name}`),
        complete: () => resolve("complete"),
      },
    );
  });

/** Acknowledges each connection, reads the operation, and closes as a server that restarts. */
const bySocket = async (label, options) => {
  let count = 0;
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "graphql-transport-ws" });
  await new Promise((resolve) => server.on("listening", resolve));
  server.on("connection", (socket) =>
    socket.on("message", (data) => {
      const { type } = JSON.parse(data);
      if (type === "connection_init") socket.send('{"type":"connection_ack"}');
      if (type !== "subscribe") return;
      count += 1;
      socket.close(1012);
    }),
  );
  const url = `ws://127.0.0.1:${server.address().port}`;
  const { createClient } = require("graphql-ws");
  const end = await ended(createClient({ url, webSocketImpl: WebSocket, ...options }));
  return `${label}: ${times(count)}, ${end}`;
};

/** Reads each request, begins the answer, and closes. */
const byEvents = async (label, options) => {
  let count = 0;
  const server = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      count += 1;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(":\n\n", () => setTimeout(() => request.socket.destroy(), 50));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/graphql`;
  const { createClient } = require("graphql-sse");
  const end = await ended(createClient({ url, ...options }));
  return `${label}: ${times(count)}, ${end}`;
};

(async () => {
  const lines = await Promise.all([
    bySocket("graphql-ws", {}),
    bySocket("graphql-ws, retryAttempts 0", { retryAttempts: 0 }),
    byEvents("graphql-sse", {}),
    byEvents("graphql-sse, retryAttempts 0", { retryAttempts: 0 }),
  ]);
  console.log(lines.join("\n"));
  process.exit();
})();
NODE

(cd "$folder" && node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
graphql-ws: more than 6 times, no error yet
graphql-ws, retryAttempts 0: once, error 1012
graphql-sse: 6 times, error NetworkError
graphql-sse, retryAttempts 0: once, error NetworkError
SEEN
