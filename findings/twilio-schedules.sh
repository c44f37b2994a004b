#!/usr/bin/env bash
# Twilio's Python SDK schedules a message three hours late that its Node SDK schedules on time.
#
# Software:  twilio 9.13.0 (PyPI) and twilio 6.3.1 (npm), the vendor's SDKs.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: (1) Both are given the same moment, 09:00 in +03:00. The Python SDK writes the clock of the zone and a
#                "Z" behind it, so that the message is due at 12:00. West of UTC it is due too early, or refused
#                because it is in the past. Node converts the time. A naive datetime means UTC, whatever
#                zone the machine is in.
#            (2) The Python SDK does not read the answer if a request for a list fails: the exception has
#                neither code nor status, so a program cannot tell "too many requests" from a wrong password. For
#                a single message it has both.
# Output seen:
#            Python: SendAt=2026-12-01T09:00:00Z
#            Node: SendAt=2026-12-01T06:00:00Z
#            Python, one message, 429: TwilioRestException, code 20429, status 429
#            Python, list, 429: TwilioException, code none, status none
# For us:    docs/api/twilio.md says both.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check twilio==9.13.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts twilio@6.3.1 >/dev/null)

cat >"$folder/send.cjs" <<'NODE'
const twilio = require("twilio");
const [url, account, service, moment] = process.argv.slice(2);
const client = twilio(account, "token");
client.api.baseUrl = url;
client.messages.create({
  to: "+12025550143", messagingServiceSid: service, body: "Hello", scheduleType: "fixed", sendAt: new Date(moment),
});
NODE

cat >"$folder/observe.py" <<'PYTHON'
import json
import subprocess
import sys
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

ACCOUNT, SERVICE, MESSAGE = ("AC" + "0" * 32, "MG" + "0" * 32, "SM" + "0" * 32)
MOMENT = "2026-12-01T09:00:00+03:00"
REFUSED = {"code": 20429, "message": "Too Many Requests", "more_info": "", "status": 429}
schedules = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        schedules.append(form["SendAt"][0])
        self.answer(201, {"sid": MESSAGE})

    def do_GET(self):
        self.answer(429, REFUSED)

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = Client(ACCOUNT, "token")
client.api.base_url = url


def failed(label, read):
    try:
        read()
    except TwilioException as error:
        code, status = getattr(error, "code", "none"), getattr(error, "status", "none")
        print(f"{label}: {type(error).__name__}, code {code}, status {status}")


client.messages.create(
    to="+12025550143", messaging_service_sid=SERVICE, body="Hello", schedule_type="fixed",
    send_at=datetime.fromisoformat(MOMENT),
)
subprocess.run(["node", f"{sys.argv[1]}/send.cjs", url, ACCOUNT, SERVICE, MOMENT], check=True)
print(f"Python: SendAt={schedules[0]}")
print(f"Node: SendAt={schedules[1]}")
failed("Python, one message, 429", lambda: client.messages(MESSAGE).fetch())
failed("Python, list, 429", lambda: client.messages.list(limit=1))
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
Python: SendAt=2026-12-01T09:00:00Z
Node: SendAt=2026-12-01T06:00:00Z
Python, one message, 429: TwilioRestException, code 20429, status 429
Python, list, 429: TwilioException, code none, status none
SEEN
