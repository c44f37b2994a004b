#!/usr/bin/env bash
# django-sendsms signals a text as sent that the gateway has refused, and its function for many texts always raises.
#
# Software:  django-sendsms 0.5 with django 5.2.19 and requests 2.34.2 (PyPI), which sends texts from Django.
# Seen:      2026-11, Python 3.11.
# Behaviour: Its API is that of Django's e-mail: send_sms, send_mass_sms, and fail_silently. The backend is the one for
#            Vonage (nexmo), and its server is in this script.
#            (1) Without credit (status 9) and with fail_silently, `send_sms` returns 0, but the signal sms_post_send is
#                sent as for a text that left. A program that records or charges texts at this signal counts it.
#            (2) With fail_silently, a gateway that answers 500 raises a TypeError. Without it, the exception is the
#                library's own.
#            (3) `send_mass_sms` raises a TypeError in each call: it gives SmsMessage a field "message", and the field
#                is "body".
#            (4) The README says that the default backend writes to the console. The default in the code keeps texts in
#                memory, as for tests, and returns that they were sent. So a setting with a misspelt name sends nothing.
# Output seen:
#            accepted: returned 1, signals: 1
#            no credit: ClientError, signals: 0
#            no credit, fail_silently: returned 0, signals: 1
#            500: Error, signals: 0
#            500, fail_silently: TypeError, signals: 0
#            send_mass_sms: TypeError, signals: 0
#            no backend in the settings: locmem, returned 1, posts: 0
# For us:    A program with Django can use the REST API of Ibiki, which answers what it did with each number.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check django-sendsms==0.5 django==5.2.19 requests==2.34.2

cat >"$folder/observe.py" <<'PYTHON'
import contextlib
import io
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.conf import settings

settings.configure()
from sendsms import api, signals  # noqa: E402
from sendsms.backends import nexmo  # noqa: E402

ARGUMENTS = ("Hello", "12025550100", ["12025550101"])
NEXMO = "sendsms.backends.nexmo.SmsBackend"
posts, signalled = [], []


class Gateway(BaseHTTPRequestHandler):
    code, status = 200, "0"

    def do_POST(self):
        posts.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"message-count": "1", "messages": [{"status": self.status}]}).encode()
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def record(sender, **fields):
    signalled.append(fields["body"])


def called(function, *arguments, **options):
    posts.clear()
    signalled.clear()
    with contextlib.redirect_stdout(io.StringIO()):  # the backend prints its parameters
        try:
            return f"returned {function(*arguments, **options)}"
        except Exception as error:
            return type(error).__name__


def observe(label, function, *arguments, code=200, status="0", **options):
    Gateway.code, Gateway.status = code, status
    print(f"{label}: {called(function, *arguments, **options)}, signals: {len(signalled)}")


logging.disable()
signals.sms_post_send.connect(record)
server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=server.serve_forever, daemon=True).start()
nexmo.NEXMO_API_URL = f"http://127.0.0.1:{server.server_port}/"
default = type(api.get_connection()).__module__.rpartition(".")[2]
unset = called(api.send_sms, *ARGUMENTS)
assert signalled and not posts
settings.SENDSMS_BACKEND = NEXMO
observe("accepted", api.send_sms, *ARGUMENTS)
for label, answer in {"no credit": {"status": "9"}, "500": {"code": 500}}.items():
    observe(label, api.send_sms, *ARGUMENTS, **answer)
    observe(f"{label}, fail_silently", api.send_sms, *ARGUMENTS, fail_silently=True, **answer)
observe("send_mass_sms", api.send_mass_sms, [(*ARGUMENTS, False)])
print(f"no backend in the settings: {default}, {unset}, posts: 0")
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
accepted: returned 1, signals: 1
no credit: ClientError, signals: 0
no credit, fail_silently: returned 0, signals: 1
500: Error, signals: 0
500, fail_silently: TypeError, signals: 0
send_mass_sms: TypeError, signals: 0
no backend in the settings: locmem, returned 1, posts: 0
SEEN
