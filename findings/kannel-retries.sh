#!/usr/bin/env bash
# Kannel reports a text as refused that the network has taken three times, and sends another one without end.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel), and an SMPP 3.4 server in this script.
# Seen:      2026-11, Debian 12.
# Behaviour: sms-resend-retry is 2: how often Kannel is to try again if sending fails for now. The network reads
#            each submit_sm to its end, so it can send the text each time.
#            (1) The network does not answer. After wait-ack seconds, Kannel connects again and sends the text
#                again, twice. Then it reports 16, "refused by the network", with "NACK/Retries Exceeded". The
#                report is the same as for a network that refused the text three times (0x58, throttled).
#            (2) The network closes the link instead of answering. Kannel sends the text again after each
#                reconnect, without end: sms-resend-retry does not apply. Nothing is reported.
#            The guide calls sms-resend-retry the maximum of attempts for messages that failed temporarily.
# Output seen:
#            no answer: sent 3 times, report 16 NACK/Retries Exceeded
#            refused for now: sent 3 times, report 16 NACK/Retries Exceeded
#            link closed: sent more than 10 times, no report
# For us:    Ibiki took each 16 for a refusal and refunded texts that phones got three times. "Retries Exceeded"
#            refunds nothing now (tests/kannel/test_traffic.py).
#
# Starts Kannel on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in bearerbox smsbox; do
  command -v $program >/dev/null || { echo "Install kannel first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/observe.py" <<'PYTHON'
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket

FOLDER = Path(sys.argv[1])
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = a
smsbox-port = {box}
dlr-storage = internal
sms-resend-freq = 1
sms-resend-retry = 2

group = smsc
smsc = smpp
host = 127.0.0.1
port = {network}
smsc-username = u
smsc-password = p
system-type = ""
transceiver-mode = true
wait-ack = 2
enquire-link-interval = 1
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}

group = sendsms-user
username = u
password = p
"""
CASES = ("no answer", "refused for now", "link closed")
SECONDS = 40
submitted = dict.fromkeys(CASES, 0)
reports = {case: [] for case in CASES}


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        fields = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        reports[fields["case"]].append(f"{fields['type']} {fields['answer']}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def network(listener, case):
    while True:
        line, _ = listener.accept()
        threading.Thread(target=serve, args=(line, case), daemon=True).start()


def serve(line, case):
    with suppress(OSError, struct.error), line:
        while True:
            length, command, _, sequence = struct.unpack(">IIII", line.recv(16, 0x100))
            if length > 16:
                line.recv(length - 16, 0x100)
            if command == 4:
                submitted[case] += 1
                if case == "refused for now":
                    answer(line, command, 0x58, sequence)
                elif case == "link closed":
                    line.shutdown(SHUT_RDWR)
            elif command in (1, 2, 9):
                answer(line, command, 0, sequence, b"network\0")
            elif command < 0x80000000:
                answer(line, command, 0, sequence)


def answer(line, command, status, sequence, body=b""):
    line.sendall(struct.pack(">IIII", 16 + len(body), 0x80000000 | command, status, sequence) + body)


def free_port():
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with suppress(OSError):
            create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def start(stack, *command):
    process = stack.enter_context(
        subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    )
    stack.callback(process.kill)


def send(stack, case):
    """Starts a Kannel with its network, and gives it one text."""
    listener = create_server(("127.0.0.1", 0))
    threading.Thread(target=network, args=(listener, case), daemon=True).start()
    ports = {each: free_port() for each in ("admin", "box", "send")}
    file = FOLDER / f"{case}.conf"
    file.write_text(CONFIGURATION.format(**ports, network=listener.getsockname()[1]))
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    fields = {"case": case}
    url = f"http://127.0.0.1:{callback.server_port}/?{urllib.parse.urlencode(fields)}&type=%d&answer=%A"
    text = {"username": "u", "password": "p", "from": "20255", "to": "+12025550101", "text": "Hello"}
    query = urllib.parse.urlencode({**text, "dlr-mask": "31", "dlr-url": url.replace("+", "%20")})
    urllib.request.urlopen(f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms?{query}").close()


callback = ThreadingHTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=callback.serve_forever, daemon=True).start()
with ExitStack() as stack:
    for case in CASES:
        send(stack, case)
    time.sleep(SECONDS)
    for case in CASES:
        count = "more than 10" if submitted[case] > 10 else submitted[case]
        said = ", ".join(f"report {each}" for each in reports[case]) or "no report"
        print(f"{case}: sent {count} times, {said}")
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
no answer: sent 3 times, report 16 NACK/Retries Exceeded
refused for now: sent 3 times, report 16 NACK/Retries Exceeded
link closed: sent more than 10 times, no report
SEEN
