#!/usr/bin/env bash
# A text for a German phone goes to Texas: three SDKs change a number into one of another country, or refuse it.
#
# Software:  bulksms 1.1.1, beem-sms-python 1.0.3 and kwtsms 0.7.40, SDKs for SMS, and phonenumbers 9.0.43 (PyPI).
# Seen:      2026-11, Python 3.11.
# Behaviour: (1) bulksms removes zeros at the beginning of a number and puts a plus before the rest, also if the number
#                is written as in its own country. German and Chinese mobile numbers become numbers of the USA, which
#                phonenumbers calls valid.
#            (2) beem-sms-python puts +255, the code of Tanzania, before each number without a plus, also if it begins
#                with the code of another country. It checks the number before this, as an international one, and calls
#                it valid. Its answer is that the SMS was sent.
#            (3) kwtsms takes a zero behind a country code for a trunk prefix. All mobile numbers of Ivory Coast have
#                one since 2021, so that it refuses them. For Argentina it expects 10 digits, and mobile numbers have
#                11 in E.164. It sends to the others of a list and says "OK", with the refused ones in another field.
# Output seen:
#            bulksms, 01512 5550123 (DE): sent to a number of US, valid
#            bulksms, 131 2555 0123 (CN): sent to a number of US, valid
#            beem, 12025550101: sent to +25512025550101, success True
#            beem, 254712345678: sent to +255254712345678, success True
#            beem, +254712345678: sent to +254712345678, success True
#            kwtsms, CI: 0 of 200 valid mobile numbers accepted
#            kwtsms, AR: 0 of 200 valid mobile numbers accepted
#            kwtsms, KE: 200 of 200 valid mobile numbers accepted
#            kwtsms, +2250712345678 and +254712345678: OK, sent to 254712345678
# For us:    Ibiki reads a number without a plus as one of DEFAULT_REGION, as phonenumbers does, and names each number
#            that it refuses.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check bulksms==1.1.1 beem-sms-python==1.0.3 \
  kwtsms==0.7.40 phonenumbers==9.0.43

cat >"$folder/observe.py" <<'PYTHON'
import json
import logging
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import bulksms
import phonenumbers
from beem_sms import BeemSMSClient
from kwtsms import KwtSMS, _core, validate_phone_input
from phonenumbers import PhoneNumberFormat, PhoneNumberType

sent = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/bulksms/messages":
            sent.append(call["to"][0])
            return self.answer([{"id": "1"}])
        if self.path == "/beem":
            sent.append(call["recipients"][0]["dest_addr"])
            return self.answer({"successful": True, "request_id": 1, "code": 100})
        sent.append(call["mobile"])
        return self.answer({"result": "OK", "msg-id": "1", "numbers": 1, "points-charged": 1, "balance-after": 9})

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
logging.disable()

bulk = bulksms.BulkSMS(token_id="id", token_secret="secret")
bulk.api_base = f"{url}/bulksms"
for text, country in (("01512 5550123", "DE"), ("131 2555 0123", "CN")):
    assert phonenumbers.is_valid_number(phonenumbers.parse(text, country))
    bulk.send(text, "Hello")
    got = phonenumbers.parse(sent[-1])
    valid = "valid" if phonenumbers.is_valid_number(got) else "not valid"
    print(f"bulksms, {text} ({country}): sent to a number of {phonenumbers.region_code_for_number(got)}, {valid}")

beem = BeemSMSClient("key", "secret", base_url=f"{url}/beem")
for text in ("12025550101", "254712345678", "+254712345678"):
    answer = beem.send_sms(source_addr="Shop", dest_addr=text, message="Hello")
    print(f"beem, {text}: sent to {sent[-1]}, success {answer.success}")

chosen = random.Random(1)
for country, code, digits in (("CI", 225, 10), ("AR", 54, 11), ("KE", 254, 9)):
    numbers = []
    while len(numbers) < 200:
        number = phonenumbers.parse(f"+{code}{chosen.randrange(10**digits):0{digits}}")
        if phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) == PhoneNumberType.MOBILE:
            numbers.append(phonenumbers.format_number(number, PhoneNumberFormat.E164))
    accepted = sum(validate_phone_input(each)[0] for each in numbers)
    print(f"kwtsms, {country}: {accepted} of 200 valid mobile numbers accepted")
_core.BASE_URL = f"{url}/kwtsms/"
answer = KwtSMS("user", "password", log_file="").send(["+2250712345678", "+254712345678"], "Hello")
print(f"kwtsms, +2250712345678 and +254712345678: {answer['result']}, sent to {sent[-1]}")
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
bulksms, 01512 5550123 (DE): sent to a number of US, valid
bulksms, 131 2555 0123 (CN): sent to a number of US, valid
beem, 12025550101: sent to +25512025550101, success True
beem, 254712345678: sent to +255254712345678, success True
beem, +254712345678: sent to +254712345678, success True
kwtsms, CI: 0 of 200 valid mobile numbers accepted
kwtsms, AR: 0 of 200 valid mobile numbers accepted
kwtsms, KE: 200 of 200 valid mobile numbers accepted
kwtsms, +2250712345678 and +254712345678: OK, sent to 254712345678
SEEN
