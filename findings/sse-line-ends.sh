#!/usr/bin/env bash
# Two clients for server-sent events cut a text at a line separator: the JSON of a received SMS has no end.
#
# Software:  sseclient 0.0.27, aiosseclient 0.1.8, sseclient-py 1.9.0 with requests 2.34.2, httpx-sse 0.4.3 and
#            httpx 0.28.1 (PyPI).
# Seen:      2026-11, Python 3.11.
# Behaviour: A line of an event stream ends with CR, LF or both (HTML Standard, server-sent events). JSON need not
#            escape other characters that end a line in Unicode, such as U+2028 (a line break in notes and word
#            processors) and U+0085. A text that is pasted into an SMS can have them.
#            (1) sseclient and aiosseclient end the line there. The event has the beginning of the JSON, and
#                json.loads raises. The rest is dropped.
#            (2) `iter_lines` of httpx ends lines there too. A program that reads events with it cuts them as well.
#            sseclient-py and httpx-sse read the text as it is.
# Output seen:
#            sseclient: é and € read, U+2028 cut, U+0085 cut
#            aiosseclient: é and € read, U+2028 cut, U+0085 cut
#            sseclient-py: é and € read, U+2028 read, U+0085 read
#            httpx-sse: é and € read, U+2028 read, U+0085 read
#            httpx, iter_lines: é and € read, U+2028 cut, U+0085 cut
# For us:    Ibiki escapes these characters in its event streams (ibiki/live/sse.py).
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# sseclient and sseclient-py have the same module.
for name in first second; do python3 -m venv "$folder/$name"; done
"$folder/first/bin/pip" install --quiet --disable-pip-version-check sseclient==0.0.27 aiosseclient==0.1.8
"$folder/second/bin/pip" install --quiet --disable-pip-version-check sseclient-py==1.9.0 requests==2.34.2 \
  httpx-sse==0.4.3 httpx==0.28.1

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXTS = {"é and €": "é and €", "U+2028": "one\u2028two", "U+0085": "one\u0085two"}
logging.disable(logging.CRITICAL)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        for text in TEXTS.values():
            self.wfile.write(f"data: {json.dumps({'text': text}, ensure_ascii=False)}\n\n".encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}/"


def shown(label, events):
    read = []
    for (name, text), data in zip(TEXTS.items(), events):
        try:
            read.append(f"{name} {'read' if json.loads(data)['text'] == text else 'changed'}")
        except ValueError:
            read.append(f"{name} cut")
    print(f"{label}: {', '.join(read)}")


def by_sseclient():
    from sseclient import SSEClient

    return (event.data for event in SSEClient(URL))


def by_aiosseclient():
    from aiosseclient import aiosseclient

    async def read():
        found = []
        async for event in aiosseclient(URL):
            found.append(event.data)
            if len(found) == len(TEXTS):
                return found

    return asyncio.run(read())


def by_sseclient_py():
    import requests
    from sseclient import SSEClient

    return (event.data for event in SSEClient(requests.get(URL, stream=True)).events())


def by_httpx_sse():
    import httpx
    from httpx_sse import connect_sse

    with httpx.Client() as client, connect_sse(client, "GET", URL) as source:
        yield from (event.data for event in source.iter_sse())


def by_httpx_lines():
    import httpx

    with httpx.stream("GET", URL) as response:
        lines = (line.partition(": ") for line in response.iter_lines())
        yield from (value for name, _, value in lines if name == "data")


CLIENTS = {
    "first": {"sseclient": by_sseclient, "aiosseclient": by_aiosseclient},
    "second": {"sseclient-py": by_sseclient_py, "httpx-sse": by_httpx_sse, "httpx, iter_lines": by_httpx_lines},
}
for label, read in CLIENTS[sys.argv[1]].items():
    shown(label, read())
PYTHON

for name in first second; do "$folder/$name/bin/python" -W ignore "$folder/observe.py" $name; done | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
sseclient: é and € read, U+2028 cut, U+0085 cut
aiosseclient: é and € read, U+2028 cut, U+0085 cut
sseclient-py: é and € read, U+2028 read, U+0085 read
httpx-sse: é and € read, U+2028 read, U+0085 read
httpx, iter_lines: é and € read, U+2028 cut, U+0085 cut
SEEN
