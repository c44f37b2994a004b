#!/usr/bin/env bash
# Apprise sends a text for a phone in Greenland to the sender itself, and reports success.
#
# Software:  apprise 2.3.0 (PyPI), which sends notifications through many SMS providers, and phonenumbers 9.0.43 (PyPI).
# Seen:      2026-11, Python 3.11.
# Behaviour: Apprise takes a number for valid if it has 10 to 14 digits with its country code.
#            (1) Mobile numbers of 13 countries and islands have fewer, among them Andorra, the Faroe Islands, Greenland
#                and New Caledonia. phonenumbers calls them valid. Apprise drops them with a warning in the log.
#                `notify` sends to the others in the list and returns True.
#            (2) If no number is left, the plugins for Twilio, Vonage and Sinch send to the sender's own number. That is
#                meant for an address without recipients. `notify` returns True. The plugins for MessageBird, Plivo
#                and Africa's Talking send nothing and return False.
#            (3) A number as it is dialled from abroad, 00 1 …, is accepted and sent as "+001…".
# Output seen:
#            mobile numbers with fewer than 10 digits: AC AD CK FK FO GL NC NF PM SH TK TV WF
#            twilio, +299221234: sent to +12025550100 (the sender), True
#            twilio, +299221234 and +12025550101: sent to +12025550101, True
#            twilio, 0012025550101: sent to +0012025550101, True
#            vonage, +299221234: sent to 12025550100 (the sender), True
#            sinch, +299221234: sent to +12025550100 (the sender), True
#            messagebird, +299221234: sent to nobody, False
#            plivo, +299221234: sent to nobody, False
#            africas talking, +299221234: sent to nobody, False
# For us:    Ibiki knows these numbers. It names each number that it rejects, and sends to no other one.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apprise==2.3.0 phonenumbers==9.0.43

cat >"$folder/observe.py" <<'PYTHON'
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import phonenumbers
from apprise import Apprise
from apprise.plugins.africas_talking import NotifyAfricasTalking
from apprise.plugins.messagebird import NotifyMessageBird
from apprise.plugins.plivo import NotifyPlivo
from apprise.plugins.sinch import NotifySinch
from apprise.plugins.twilio import NotifyTwilio
from apprise.plugins.vonage import NotifyVonage

logging.disable()
SENDER = "12025550100"
GREENLAND = "+299221234"
FIELDS = ("To", "to", "dst", "recipients")
sent = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        fields = json.loads(body) if body.startswith("{") else {name: each[0] for name, each in parse_qs(body).items()}
        to = next(fields[name] for name in FIELDS if name in fields)
        sent.append(to[0] if isinstance(to, list) else to)
        answer = json.dumps({"messages": [{"status": "0"}], "message-count": "1"}).encode()
        self.send_response(201 if "created" in self.path else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
NotifyTwilio.notify_sms_url = f"{url}/created/{{sid}}"
NotifyAfricasTalking.notify_url = dict.fromkeys(NotifyAfricasTalking.notify_url, url)
NotifyVonage.notify_url = NotifySinch.notify_url = url
NotifyMessageBird.notify_url = NotifyPlivo.notify_url = f"{url}/created"
TWILIO = f"twilio://AC{'a' * 32}:{'b' * 32}@{SENDER}"
ADDRESSES = {
    "vonage": f"vonage://{'a' * 8}:{'b' * 16}@{SENDER}",
    "sinch": f"sinch://{'a' * 32}:{'b' * 32}@{SENDER}",
    "messagebird": f"msgbird://{'a' * 25}/{SENDER}",
    "plivo": f"plivo://MA{'A' * 18}@{'b' * 40}/{SENDER}",
    "africas talking": "atalk://sandbox@key",
}


def show(name, address, *numbers):
    sent.clear()
    sender = Apprise()
    assert sender.add("/".join((address, *numbers)))
    is_sent = bool(sender.notify(body="Hello"))
    who = ["{}{}".format(to, " (the sender)" * (to.lstrip("+") == SENDER)) for to in sent] or ["nobody"]
    print(f"{name}, {' and '.join(numbers)}: sent to {' and '.join(who)}, {is_sent}")


short = []
for region in sorted(phonenumbers.SUPPORTED_REGIONS):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if number and phonenumbers.is_valid_number(number) and len(f"{number.country_code}{number.national_number}") < 10:
        short.append(region)
print("mobile numbers with fewer than 10 digits:", *short)
show("twilio", TWILIO, GREENLAND)
show("twilio", TWILIO, GREENLAND, "+12025550101")
show("twilio", TWILIO, "0012025550101")
for name, address in ADDRESSES.items():
    show(name, address, GREENLAND)
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
mobile numbers with fewer than 10 digits: AC AD CK FK FO GL NC NF PM SH TK TV WF
twilio, +299221234: sent to +12025550100 (the sender), True
twilio, +299221234 and +12025550101: sent to +12025550101, True
twilio, 0012025550101: sent to +0012025550101, True
vonage, +299221234: sent to 12025550100 (the sender), True
sinch, +299221234: sent to +12025550100 (the sender), True
messagebird, +299221234: sent to nobody, False
plivo, +299221234: sent to nobody, False
africas talking, +299221234: sent to nobody, False
SEEN
