#!/usr/bin/env bash
# The SDK of Africa's Talking returns text instead of a dict if the answer names its charset.
#
# Software:  africastalking 2.0.3 (PyPI), the vendor's Python SDK.
# Seen:      2026-11, Python 3.11.
# Behaviour: (1) The SDK parses JSON only if the Content-Type is exactly "application/json". With
#            "application/json; charset=utf-8", which many servers add by themselves, `SMS.send` returns
#            the body as text. A caller that reads the usual ["SMSMessageData"] gets a TypeError for a
#            message that was accepted. A caller that repeats the call sends twice.
#            (2) A call with `callback` runs in another thread. If the callback raises, or if the server
#            cannot be reached, nothing tells the caller: neither the callback nor an exception.
# Output seen:
#            exact type:    dict accepted
#            with charset:  str TypeError
#            callback, no server: called 0 times
# For us:    A server that speaks this API must answer with exactly "application/json".
#
# Runs a server on a loopback port that gives one valid JSON answer. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check africastalking==2.0.3

cat >"$folder/observe.py" <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import africastalking

EXACT = "application/json"
WITH_CHARSET = "application/json; charset=utf-8"
ITEM = {"statusCode": 101, "number": "+12025550100", "status": "Success", "messageId": "ATXid_1"}
ANSWER = {"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [ITEM]}}
content_type = EXACT


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(201)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
africastalking.initialize("sandbox", "a-key")
sms = africastalking.SMS


def send(port, **more):
    sms._baseUrl = f"http://127.0.0.1:{port}/version1"
    return sms.send("Hello", ["+12025550100"], **more)


def seen(label, answer):
    try:
        said = "accepted" if answer["SMSMessageData"]["Recipients"] else "not accepted"
    except TypeError as error:
        said = type(error).__name__
    print(f"{label:<15}{type(answer).__name__} {said}")


threading.excepthook = lambda arguments: None  # it would print the traceback of the SDK's thread
seen("exact type:", send(server.server_port))
content_type = WITH_CHARSET
seen("with charset:", send(server.server_port))
server.shutdown()
server.server_close()
calls = []
send(server.server_port, callback=lambda error, answer: calls.append((error, answer))).join()
print(f"callback, no server: called {len(calls)} times")
PYTHON

"$folder/venv/bin/python" -W ignore "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
exact type:    dict accepted
with charset:  str TypeError
callback, no server: called 0 times
SEEN
