#!/usr/bin/env bash
# Which SMPP delivery receipts Kannel passes on: of a long text those of the first part only, none that
# comes before the submit_sm_resp, and nothing after a receipt that says UNKNOWN.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel), and an SMPP 3.4 server in this script.
# Seen:      2026-11, Debian 12.
# Behaviour: Each message asks for all reports (mask 31). A report has a type (%d): 8 accepted by the
#            network, 1 delivered, 2 failed, 16 refused by the network.
#            (1) Two parts, the network delivers the first and refuses the second: 1 and 16 are reported.
#            (2) It refuses the first and delivers the second: only 16. The delivered part is not reported.
#            (3) A receipt DELIVRD that is sent before the submit_sm_resp is dropped: only 8.
#            (4) A receipt with stat:UNKNOWN is reported as 2 (failed), and a receipt DELIVRD that follows
#                is not reported.
# Output seen:
#            first part delivered, second refused: 1 16
#            first part refused, second delivered: 16
#            a receipt before the response: 8
#            UNKNOWN, then DELIVRD: 2 8
# For us:    Neither "16" nor the lack of "1" proves that no part of a long text was delivered, so it is not
#            refunded automatically. A message can stay SENT for ever. "2" with stat:UNKNOWN is not a verdict.
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
LONG, SHORT = "L" * 200, "Hello"
# The last digit of the number decides: for each part, whether it is taken, its receipts, and whether
# the receipts come before the response.
CASES = {
    "first part delivered, second refused": ("1", LONG, [(0, ["DELIVRD"], 0), (11, [], 0)]),
    "first part refused, second delivered": ("2", LONG, [(11, [], 0), (0, ["DELIVRD"], 0)]),
    "a receipt before the response": ("3", SHORT, [(0, ["DELIVRD"], 1)]),
    "UNKNOWN, then DELIVRD": ("4", SHORT, [(0, ["UNKNOWN", "DELIVRD"], 0)]),
}
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
    is_part = rest[0] & 0x40
    content = rest[3:].split(b"\0", 2)[2][5:]
    part = content[5] - 1 if is_part else 0
    parts = next(each[2] for each in CASES.values() if each[0] == number.decode()[-1])
    status, states, early = parts[part]
    own_id = b"%08x" % message_id
    response = (0x80000004, status, sequence, b"" if status else own_id + b"\0")
    if not early:
        write(line, *response)
    for state in states:
        text = b"id:%s sub:001 dlvrd:001 submit date:2611290700 done date:2611290700 stat:%s err:000 text:"
        text = text % (own_id, state.encode())
        addresses = b"\0\x01\x01" + number + b"\0\x01\x01" + sender + b"\0"
        tail = b"\x04\0\0\0\0\0\0\0\0" + bytes([len(text)])
        write(line, 5, 0, message_id, addresses + tail + text)
        time.sleep(0.2)
    if early:
        write(line, *response)


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
    for case, (digit, text, _) in CASES.items():
        url = f"http://127.0.0.1:{callback.server_port}/?case={digit}&type=%d"
        request = urllib.request.Request(
            f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms",
            data=text.encode(),
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
seen = [
    f"{case}: {' '.join(sorted(reports[digit], key=int))}" for case, (digit, *_) in CASES.items()
]
print("\n".join(seen))
EXPECTED = [
    "first part delivered, second refused: 1 16",
    "first part refused, second delivered: 16",
    "a receipt before the response: 8",
    "UNKNOWN, then DELIVRD: 2 8",
]
sys.exit(seen != EXPECTED)
PYTHON
python3 "$folder/observe.py" "$folder"
