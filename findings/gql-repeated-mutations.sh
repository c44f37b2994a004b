#!/usr/bin/env bash
# gql sends a mutation five times if its answer is lost, in a session that was opened to reconnect.
#
# Software:  gql 4.4.0 with aiohttp 3.14.5 (PyPI), a GraphQL client.
# Seen:      2026-11, Python 3.11.
# Behaviour: `connect_async(reconnecting=True)` opens a session that connects again if the connection is lost. In
#            this session, `execute` repeats each operation, mutations too, if the server closes the
#            connection without an answer, which says nothing about what the server did. So one call sends a
#            message five times within seconds. This is so over plain HTTP as well, where each request has a
#            separate connection. The exception is tenacity's RetryError instead of gql's own.
#            `retry_execute=False` prevents it.
# Output seen:
#            closed: 1 post, TransportConnectionFailed
#            closed, reconnecting: 5 posts, 1 body, RetryError
#            closed, reconnecting, retry_execute False: 1 post, TransportConnectionFailed
#            500, reconnecting: 1 post, TransportQueryError
# For us:    docs/api/live.md says so. `send` with an idempotency key sends once however often it is repeated.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gql==4.4.0 aiohttp==3.14.5

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport

MUTATION = gql('mutation { send(input: {to: "+12025550143", text: "Hello"}) { id } }')
posts = []
answer = None


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        posts.append(self.rfile.read(int(self.headers["Content-Length"])))
        if answer is None:
            return
        body = json.dumps({"errors": [{"message": "Internal error."}]}).encode()
        self.send_response(answer)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


async def seen(label, **options):
    posts.clear()
    client = Client(transport=AIOHTTPTransport(url=f"http://127.0.0.1:{server.server_port}/graphql"))
    session = await client.connect_async(**options)
    said = "no exception"
    try:
        await session.execute(MUTATION)
    except Exception as error:
        said = type(error).__name__
    await client.close_async()
    count = "1 post" if len(posts) == 1 else f"{len(posts)} posts, {len(set(posts))} body"
    print(f"{label}: {count}, {said}")


async def main():
    global answer
    await seen("closed")
    await seen("closed, reconnecting", reconnecting=True)
    await seen("closed, reconnecting, retry_execute False", reconnecting=True, retry_execute=False)
    answer = 500
    await seen("500, reconnecting", reconnecting=True)


logging.disable(logging.CRITICAL)
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(main())
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
closed: 1 post, TransportConnectionFailed
closed, reconnecting: 5 posts, 1 body, RetryError
closed, reconnecting, retry_execute False: 1 post, TransportConnectionFailed
500, reconnecting: 1 post, TransportQueryError
SEEN
