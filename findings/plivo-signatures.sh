#!/usr/bin/env bash
# Plivo's Python SDK raises when it checks the signature of an SMS with "é", and its two SDKs disagree on a URL.
#
# Software:  plivo 4.63.0 (PyPI) and plivo 4.79.0 (npm), the vendor's SDKs.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: Plivo calls a webhook for each received SMS and signs the call (X-Plivo-Signature-V3). With GET, the text
#            is in the query of the URL.
#            (1) `validate_v3_signature` of the Python SDK raises UnicodeEncodeError if a value of the query is not
#                ASCII, whatever the signature is. Tests with "Hello" pass. At the first "café" the program has an
#                error, or refuses the call. The Node SDK checks it.
#            (2) If the URL has a user name and a password, the Python SDK expects them in what was signed, and the
#                Node SDK does not. So one of the two refuses each call of Plivo.
# Output seen:
#            GET, Hello: Python accepted, Node accepted
#            GET, café: Python UnicodeEncodeError, Node accepted
#            POST: Python accepted, Node accepted
#            POST with user, signed with it: Python accepted, Node refused
#            POST with user, signed without it: Python refused, Node accepted
# For us:    Ibiki has no adapter for Plivo. Its own signatures cover the body, not the URL (docs/api/webhooks.md).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check plivo==4.63.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts plivo@4.79.0 >/dev/null)

cat >"$folder/validate.cjs" <<'NODE'
const { validateV3Signature } = require("plivo");
const { method, url, nonce, token, signature, form } = JSON.parse(process.argv[2]);
console.log(validateV3Signature(method, url, nonce, token, signature, form) ? "accepted" : "refused");
NODE

cat >"$folder/observe.py" <<'PYTHON'
import base64
import hashlib
import hmac
import json
import subprocess
import sys
from urllib.parse import urlencode

from plivo.utils import validate_v3_signature

NONCE, TOKEN = "12345678901234567890", "a-token"
HOOK = "https://example.com/sms"
SMS = {"From": "12025550101", "MessageUUID": "u-1", "To": "12025550143"}


def signature(signed):
    """The signature of this text, which is the URL with its query and form in order."""
    return base64.b64encode(hmac.new(TOKEN.encode(), f"{signed}.{NONCE}".encode(), hashlib.sha256).digest()).decode()


def by_python(method, url, signed, form):
    try:
        return "accepted" if validate_v3_signature(method, url, NONCE, TOKEN, signature(signed), form) else "refused"
    except UnicodeEncodeError as error:
        return type(error).__name__


def by_node(method, url, signed, form):
    given = {"method": method, "url": url, "nonce": NONCE, "token": TOKEN, "signature": signature(signed), "form": form}
    command = ["node", f"{sys.argv[1]}/validate.cjs", json.dumps(given)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def seen(label, method, url, signed, form):
    print(f"{label}: Python {by_python(method, url, signed, dict(form))}, Node {by_node(method, url, signed, form)}")


for text in ("Hello", "café"):
    query = dict(sorted({**SMS, "Text": text}.items()))
    signed = f"{HOOK}?" + "&".join(f"{name}={value}" for name, value in query.items())
    seen(f"GET, {text}", "GET", f"{HOOK}?{urlencode(query)}", signed, {})
form = "".join(f"{name}{value}" for name, value in SMS.items())
with_user = HOOK.replace("//", "//user:password@")
seen("POST", "POST", HOOK, f"{HOOK}?{form}", SMS)
seen("POST with user, signed with it", "POST", with_user, f"{with_user}?{form}", SMS)
seen("POST with user, signed without it", "POST", with_user, f"{HOOK}?{form}", SMS)
PYTHON

"$folder/venv/bin/python" -W ignore "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
GET, Hello: Python accepted, Node accepted
GET, café: Python UnicodeEncodeError, Node accepted
POST: Python accepted, Node accepted
POST with user, signed with it: Python accepted, Node refused
POST with user, signed without it: Python refused, Node accepted
SEEN
