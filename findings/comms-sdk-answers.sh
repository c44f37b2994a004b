#!/usr/bin/env bash
# The EgoSMS client library reports an accepted message as failed, and a zero balance as no balance.
#
# Software:  comms-sdk 1.1.0 (PyPI), the vendor's Python SDK for the EgoSMS "Comms" JSON API.
# Seen:      2026-11, Python 3.11.
# Behaviour: (1) The SDK builds its response object from all keys of the answer. If the answer has a
#            key that the SDK does not know, such as "Currency", `query_send_sms` returns None although
#            the answer says Status OK with a follow-up code. A caller that repeats the call sends twice.
#            (2) `get_balance` returns None for a balance of 0, which callers read as "unknown".
# Output seen:
#            known keys:  status OK
#            extra key:   None
#            balance 0:   None
#            balance 12:  12.0
# For us:    A server that speaks this API must answer with exactly the keys Status, Message, Cost,
#            MsgFollowUpUniqueCode and Balance.
#
# Runs a server on a loopback port that gives valid JSON answers. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check comms-sdk==1.1.0

cat >"$folder/observe.py" <<'PYTHON'
import contextlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from comms_sdk.v1 import CommsSDK

answers = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(answers.pop(0)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
CommsSDK.API_URL = f"http://127.0.0.1:{server.server_port}/api/v1/json/"

OK = {"Status": "OK", "Message": "Success"}
SENT = {**OK, "Cost": 0.5, "MsgFollowUpUniqueCode": "code-1"}


def quietly(call):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return call()


answers.append({**OK, "Balance": 12.0})
sdk = quietly(lambda: CommsSDK.authenticate("user", "key"))
answers.append(SENT)
known = quietly(lambda: sdk.query_send_sms("256700000001", "Hello"))
answers.append({**SENT, "Currency": "UGX"})
extra = quietly(lambda: sdk.query_send_sms("256700000001", "Hello"))
answers.append({**OK, "Balance": 0.0})
zero = quietly(sdk.get_balance)
answers.append({**OK, "Balance": 12.0})
twelve = quietly(sdk.get_balance)
print("known keys:  status", getattr(known.Status, "value", known.Status))
print("extra key:  ", extra)
print("balance 0:  ", zero)
print("balance 12: ", twelve)
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
known keys:  status OK
extra key:   None
balance 0:   None
balance 12:  12.0
SEEN
