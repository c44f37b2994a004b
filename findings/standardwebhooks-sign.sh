#!/usr/bin/env bash
# standardwebhooks for Python makes signatures that nobody accepts, if the time has a zone or the body is bytes.
#
# Software:  standardwebhooks 1.1.0 (PyPI) as the sender; standardwebhooks 1.1.0 (PyPI) and 1.1.1 (npm) as
#            the receivers.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: `sign(msg_id, timestamp, data)` takes a datetime. The header webhook-timestamp is
#            int(timestamp.timestamp()), and each receiver knows the same secret. No exception is raised.
#            (1) `sign` replaces the zone of the datetime by UTC and does not convert it. For an aware time in
#                +03:00, and for a naive local time, it signs a time that is three hours off. On a machine
#                that runs in UTC, the naive time works.
#            (2) `data` as bytes is signed as its repr (b'…'), although `verify` takes bytes.
# Output seen:
#            UTC, text: accepted by Python, accepted by npm
#            +03:00, text: refused by Python, refused by npm
#            naive local time, text: refused by Python, refused by npm
#            naive local time on a machine in UTC, text: accepted by Python, accepted by npm
#            UTC, bytes: refused by Python, refused by npm
# For us:    ibiki/hooks.py signs a text at a time in UTC.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts standardwebhooks@1.1.1 >/dev/null)

cat >"$folder/verify.cjs" <<'NODE'
const { Webhook, WebhookVerificationError } = require("standardwebhooks");
const [secret, body, headers] = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
try {
  new Webhook(secret).verify(body, headers);
  console.log("accepted");
} catch (error) {
  if (!(error instanceof WebhookVerificationError)) throw error;
  console.log("refused");
}
NODE

cat >"$folder/observe.py" <<'PYTHON'
import base64
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
BODY = '{"type":"message.updated"}'


def by_python(headers):
    try:
        Webhook(SECRET).verify(BODY, headers)
    except WebhookVerificationError:
        return "refused"
    return "accepted"


def by_npm(headers):
    command = ["node", f"{sys.argv[1]}/verify.cjs"]
    given = json.dumps([SECRET, BODY, headers])
    return subprocess.run(command, input=given, check=True, capture_output=True, text=True).stdout.strip()


def seen(label, moment, body=BODY):
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", moment, body),
    }
    print(f"{label}: {by_python(headers)} by Python, {by_npm(headers)} by npm")


def machine_in(zone):
    os.environ["TZ"] = zone
    time.tzset()


machine_in("EAT-3")  # +03:00
seen("UTC, text", datetime.now(UTC))
seen("+03:00, text", datetime.now(timezone(timedelta(hours=3))))
seen("naive local time, text", datetime.now())
machine_in("UTC")
seen("naive local time on a machine in UTC, text", datetime.now())
seen("UTC, bytes", datetime.now(UTC), BODY.encode())
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
UTC, text: accepted by Python, accepted by npm
+03:00, text: refused by Python, refused by npm
naive local time, text: refused by Python, refused by npm
naive local time on a machine in UTC, text: accepted by Python, accepted by npm
UTC, bytes: refused by Python, refused by npm
SEEN
