#!/usr/bin/env bash
# The EgoSMS client library sends nothing to phones of Nigeria, South Africa and the USA, and says that it was sent.
#
# Software:  comms-sdk 1.1.0, the vendor's Python SDK for the EgoSMS "Comms" JSON API, and phonenumbers 9.0.43 (PyPI).
# Seen:      2026-11, Python 3.11.
# Behaviour: The SDK checks and changes numbers by itself.
#            (1) An international number that has not exactly 12 digits is left out of the request, with a line on
#                the standard error. No mobile number of Nigeria (13 digits), South Africa or the USA (11) is ever sent
#                to. If another number of the same call is, send_sms returns True and query_send_sms returns OK.
#            (2) A zero at the beginning becomes 256, the code of Uganda. A text for a number of Kenya, as people write
#                it there, goes to a number of Uganda that phonenumbers calls valid.
# Output seen:
#            UG: 200 of 200 valid mobile numbers accepted
#            KE: 200 of 200 valid mobile numbers accepted
#            NG: 0 of 200 valid mobile numbers accepted
#            ZA: 0 of 200 valid mobile numbers accepted
#            US: 0 of 200 valid mobile numbers accepted
#            two numbers, one of Nigeria: True, sent to one of UG
#            0712 123456 (KE): True, sent to one of UG, valid
# For us:    A server behind this SDK cannot see what was left out. docs/api/egosms.md says it.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check comms-sdk==1.1.0 phonenumbers==9.0.43

cat >"$folder/observe.py" <<'PYTHON'
import contextlib
import io
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import phonenumbers
from comms_sdk.v1 import CommsSDK
from phonenumbers import PhoneNumberFormat, PhoneNumberType

sent = []
MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sent[:] = [each["number"] for each in call.get("msgdata") or []]
        body = json.dumps({"Status": "OK", "Message": "Success", "Balance": 9}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def accepted_of(numbers):
    """What send_sms returns, and the numbers that reach the server."""
    sent.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        return sdk.send_sms(numbers, "Hello"), list(sent)


def country_of(number):
    return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number}"))


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
CommsSDK.API_URL = f"http://127.0.0.1:{server.server_port}/api/v1/json/"
with contextlib.redirect_stdout(io.StringIO()):
    sdk = CommsSDK.authenticate("user", "key")

chosen = random.Random(1)
for country, code, digits in (("UG", 256, 9), ("KE", 254, 9), ("NG", 234, 10), ("ZA", 27, 9), ("US", 1, 10)):
    numbers = set()
    while len(numbers) < 200:
        number = phonenumbers.parse(f"+{code}{chosen.randrange(10**digits):0{digits}}")
        if phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in MOBILE:
            numbers.add(phonenumbers.format_number(number, PhoneNumberFormat.E164))
    print(f"{country}: {len(accepted_of(sorted(numbers))[1])} of 200 valid mobile numbers accepted")

examples = [phonenumbers.example_number_for_type(each, PhoneNumberType.MOBILE) for each in ("NG", "UG")]
result, got = accepted_of([phonenumbers.format_number(each, PhoneNumberFormat.E164) for each in examples])
print(f"two numbers, one of Nigeria: {result}, sent to one of {', '.join(map(country_of, got))}")
kenyan = phonenumbers.example_number_for_type("KE", PhoneNumberType.MOBILE)
written = phonenumbers.format_number(kenyan, PhoneNumberFormat.NATIONAL)
result, [got] = accepted_of([written])
valid = "valid" if phonenumbers.is_valid_number(phonenumbers.parse(f"+{got}")) else "not valid"
print(f"{written} (KE): {result}, sent to one of {country_of(got)}, {valid}")
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
UG: 200 of 200 valid mobile numbers accepted
KE: 200 of 200 valid mobile numbers accepted
NG: 0 of 200 valid mobile numbers accepted
ZA: 0 of 200 valid mobile numbers accepted
US: 0 of 200 valid mobile numbers accepted
two numbers, one of Nigeria: True, sent to one of UG
0712 123456 (KE): True, sent to one of UG, valid
SEEN
