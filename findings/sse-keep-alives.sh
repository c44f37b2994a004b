#!/usr/bin/env bash
# fetch-event-source reports each keep-alive as an event, and aiohttp-sse-client joins half an event to the next one.
#
# Software:  @microsoft/fetch-event-source 2.0.1 and eventsource 4.1.1 (npm), aiohttp-sse-client 0.2.1 and httpx-sse
#            0.4.3 with httpx 0.28.1 (PyPI), clients for server-sent events.
# Seen:      2026-11, Node 20, Python 3.11.
# Behaviour: The HTML Standard (9.2.6) says that a blank line reports an event only if there was a data field, and that
#            an event whose end has not come is dropped when the connection ends.
#            (1) A server keeps a quiet connection alive with a comment and a blank line, as the standard advises.
#                fetch-event-source calls `onmessage` with empty data. If the program reads JSON, as most do, the
#                error is taken for a lost connection: it connects again after a second. The next comment ends
#                that connection too, and the events in between are lost.
#            (2) fetch-event-source drops the blank lines at the beginning of the data.
#            (3) aiohttp-sse-client keeps what it has of an event when the connection ends. After it has connected
#                again, the next event has both: its JSON is not valid. It also drops all spaces at the beginning of a
#                line of data, instead of one, and the blank lines at the end of the data.
#            eventsource and httpx-sse do as the standard says.
# Output seen:
#            fetch-event-source: next "{}", message "", message "", next "{}", message "x", message "  y"
#            eventsource: next "{}", next "{}", message "\nx", message "  y"
#            aiohttp-sse-client: next "{}", next "{}", message "\nx", message "y"
#            httpx-sse: next "{}", next "{}", message "\nx", message "  y"
#            fetch-event-source, JSON, three connections: 3 errors, 3 events
#            aiohttp-sse-client, the connection ends in an event: "{\"part\": 1", "{\"part\": 1}" as one event
#            httpx-sse, the connection ends in an event: "{\"part\": 1}"
# For us:    Ibiki's keep-alive was a comment and a blank line. Now it is a comment without one, which reports nothing.
#
# Runs servers on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp-sse-client==0.2.1 aiohttp==3.14.5 \
  httpx-sse==0.4.3 httpx==0.28.1
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts @microsoft/fetch-event-source@2.0.1 \
  eventsource@4.1.1 >/dev/null)

cat >"$folder/events" <<'EVENTS'
event: next
data: {}

:

: still here

event: next
data: {}

data:
data: x

data:   y

EVENTS

cat >"$folder/observe.mjs" <<'NODE'
import { readFileSync } from "fs";
import http from "http";
import fetching from "@microsoft/fetch-event-source";
import { EventSource } from "eventsource";

const EVENTS = readFileSync("events");
globalThis.window = globalThis; // fetch-event-source is for pages
globalThis.document = { addEventListener() {}, removeEventListener() {} };
let connections = 0;
const server = http.createServer((request, response) => {
  connections += 1;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(EVENTS);
  if (request.url === "/once") response.end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = `http://127.0.0.1:${server.address().port}`;
const shown = (event) => `${event.event || event.type || "message"} ${JSON.stringify(event.data)}`;

let got = [];
await fetching.fetchEventSource(`${address}/once`, { openWhenHidden: true, onmessage: (event) => got.push(shown(event)) });
console.log("fetch-event-source:", got.join(", "));

got = [];
const source = new EventSource(address);
await new Promise((resolve) => {
  for (const type of ["next", "message"])
    source.addEventListener(type, (event) => got.push(shown(event)) === 4 && resolve());
});
source.close();
console.log("eventsource:", got.join(", "));

got = [];
connections = 0;
let errors = 0;
await fetching
  .fetchEventSource(address, {
    openWhenHidden: true,
    onmessage: (event) => got.push(JSON.parse(event.data)),
    onerror(error) {
      errors += 1;
      if (connections === 3) throw error;
      return 1;
    },
  })
  .catch(() => {});
console.log(`fetch-event-source, JSON, three connections: ${errors} errors, ${got.length} events`);
server.close();
server.closeAllConnections();
NODE

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import httpx_sse
from aiohttp import web
from aiohttp_sse_client.client import EventSource

EVENTS = Path("events").read_bytes()
HALF, WHOLE = b'data: {"part": 1', b'data: {"part": 1}\n\n'


@asynccontextmanager
async def server(*answers):
    """Answers each request with one of these, and then closes the connection, except after the last one."""
    waiting, stop = list(answers), asyncio.Event()

    async def answer(request):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(waiting.pop(0))
        if not waiting:
            await stop.wait()
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        stop.set()
        await runner.cleanup()


async def with_aiohttp(count, *answers):
    async with server(*answers) as url:
        async with EventSource(url, reconnection_time=timedelta(milliseconds=1)) as events:
            return [(each.type or "message", each.data) for each in [await anext(events) for _ in range(count)]]


async def with_httpx(count, *answers):
    """httpx-sse does not connect again by itself."""
    got = []
    async with server(*answers) as url, httpx.AsyncClient() as client:
        while len(got) < count:
            async with httpx_sse.aconnect_sse(client, "GET", url) as source:
                async for each in source.aiter_sse():
                    got.append((each.event, each.data))
                    if len(got) == count:
                        break
    return got


def shown(name, events):
    print(f"{name}:", ", ".join(f"{kind} {json.dumps(data)}" for kind, data in events))


async def main():
    shown("aiohttp-sse-client", await with_aiohttp(4, EVENTS))
    shown("httpx-sse", await with_httpx(4, EVENTS))
    label = "the connection ends in an event"
    [(_, joined)] = await with_aiohttp(1, HALF, WHOLE)
    print(f"aiohttp-sse-client, {label}:", ", ".join(map(json.dumps, joined.split("\n"))), "as one event")
    [(_, data)] = await with_httpx(1, HALF, WHOLE)
    print(f"httpx-sse, {label}: {json.dumps(data)}")


asyncio.run(asyncio.wait_for(main(), 60))
PYTHON

cd "$folder"
node observe.mjs >seen.node
venv/bin/python observe.py >seen.python
{ head -2 seen.node; head -2 seen.python; tail -1 seen.node; tail -2 seen.python; } | tee seen
diff seen - <<'SEEN'
fetch-event-source: next "{}", message "", message "", next "{}", message "x", message "  y"
eventsource: next "{}", next "{}", message "\nx", message "  y"
aiohttp-sse-client: next "{}", next "{}", message "\nx", message "y"
httpx-sse: next "{}", next "{}", message "\nx", message "  y"
fetch-event-source, JSON, three connections: 3 errors, 3 events
aiohttp-sse-client, the connection ends in an event: "{\"part\": 1", "{\"part\": 1}" as one event
httpx-sse, the connection ends in an event: "{\"part\": 1}"
SEEN
