#!/usr/bin/env bash
# Kannel reports a message that expired with type 34, or with type 2, depending on where the receipt says so.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel), and an SMPP 3.4 server in this script.
# Seen:      2026-11, Debian 12.
# Behaviour: Each message asks for all reports (mask 31 = 1 + 2 + 4 + 8 + 16). A report has a type (%d): 8
#            accepted by the network, 1 delivered, 2 failed, 4 buffered, 16 refused.
#            A receipt says the state of its message in the text ("stat:EXPIRED"), or in the field message_state
#            (SMPP 3.4, 5.3.2.35), which is meant for programs.
#            (1) EXPIRED in the field is reported with type 34 = 2 + 32. In the text, it is type 2. A receiver that
#                compares the type with 2 never learns that the message has failed.
#            (2) UNKNOWN in the field is reported with type 2, like UNDELIVERABLE, and with an empty text, so that
#                a receiver cannot distinguish the two.
# Output seen:
#            message_state 1 ENROUTE: 4 8
#            message_state 2 DELIVERED: 1 8
#            message_state 3 EXPIRED: 8 34
#            message_state 4 DELETED: 2 8
#            message_state 5 UNDELIVERABLE: 2 8
#            message_state 6 ACCEPTED: 4 8
#            message_state 7 UNKNOWN: 2 8
#            message_state 8 REJECTED: 2 8
#            stat:EXPIRED in the text: 2 8
# For us:    Ibiki left messages SENT after report 34; now they are UNDELIVERED.
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
from collections import defaultdict
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection, create_server, socket

FOLDER = Path(sys.argv[1])
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = a
smsbox-port = {box}
dlr-storage = internal

group = smsc
smsc = smpp
host = 127.0.0.1
port = {network}
smsc-username = u
smsc-password = p
system-type = ""
transceiver-mode = true

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}

group = sendsms-user
username = u
password = p
max-messages = 10
concatenation = true
"""
STATES = "ENROUTE DELIVERED EXPIRED DELETED UNDELIVERABLE ACCEPTED UNKNOWN REJECTED".split()
CASES = {f"message_state {number} {name}": number for number, name in enumerate(STATES, 1)}
CASES["stat:EXPIRED in the text"] = 9
reports = defaultdict(set)


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        fields = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        reports[fields["case"]].add(fields["type"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def network(listener):
    """Answers each submit_sm as its case says."""
    ids = iter(range(1, 1000))
    while True:
        line, _ = listener.accept()
        with suppress(OSError, struct.error):
            while True:
                head = line.recv(16, 0x100)
                length, command, _, sequence = struct.unpack(">IIII", head)
                body = line.recv(length - 16, 0x100) if length > 16 else b""
                if command == 4:
                    submit(line, sequence, body, next(ids))
                elif command in (1, 2, 9):
                    write(line, 0x80000000 | command, 0, sequence, b"network\0")
                elif command < 0x80000000:
                    write(line, 0x80000000 | command, 0, sequence, b"")


def write(line, command, status, sequence, body):
    line.sendall(struct.pack(">IIII", 16 + len(body), command, status, sequence) + body)


def submit(line, sequence, body, message_id):
    _, rest = body.split(b"\0", 1)
    sender, rest = rest[2:].split(b"\0", 1)
    number, rest = rest[2:].split(b"\0", 1)
    state = int(number[-1:])
    own_id = b"%08x" % message_id
    write(line, 0x80000004, 0, sequence, own_id + b"\0")
    text, fields = b"", struct.pack(">HHB", 0x0427, 1, state)
    if state == 9:
        dates = b"submit date:2611290700 done date:2611290700"
        text, fields = b"id:%s sub:001 dlvrd:000 %s stat:EXPIRED err:000 text:" % (own_id, dates), b""
    fields += struct.pack(">HH", 0x001E, len(own_id) + 1) + own_id + b"\0"
    addresses = b"\0\x01\x01" + number + b"\0\x01\x01" + sender + b"\0"
    write(line, 5, 0, message_id, addresses + b"\x04\0\0\0\0\0\0\0\0" + bytes([len(text)]) + text + fields)


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


callback = ThreadingHTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=callback.serve_forever, daemon=True).start()
listener = create_server(("127.0.0.1", 0))
threading.Thread(target=network, args=(listener,), daemon=True).start()
ports = {each: free_port() for each in ("admin", "box", "send")}
file = FOLDER / "kannel.conf"
file.write_text(CONFIGURATION.format(**ports, network=listener.getsockname()[1]))
with ExitStack() as stack:
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    for digit in CASES.values():
        url = f"http://127.0.0.1:{callback.server_port}/?case={digit}&type=%d"
        request = urllib.request.Request(
            f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms",
            data=b"Hello",
            headers={
                "Content-Type": "text/plain; charset=UTF-8",
                "X-Kannel-Username": "u",
                "X-Kannel-Password": "p",
                "X-Kannel-From": "20255",
                "X-Kannel-To": f"+1202555010{digit}",
                "X-Kannel-DLR-Mask": "31",
                "X-Kannel-DLR-Url": url,
            },
        )
        urllib.request.urlopen(request).close()
    time.sleep(4)
for case, digit in CASES.items():
    print(f"{case}: {' '.join(sorted(reports[str(digit)], key=int))}")
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
message_state 1 ENROUTE: 4 8
message_state 2 DELIVERED: 1 8
message_state 3 EXPIRED: 8 34
message_state 4 DELETED: 2 8
message_state 5 UNDELIVERABLE: 2 8
message_state 6 ACCEPTED: 4 8
message_state 7 UNKNOWN: 2 8
message_state 8 REJECTED: 2 8
stat:EXPIRED in the text: 2 8
SEEN
