#!/usr/bin/env bash
# Kannel sends a text for "+1 202 555 0101" to the four numbers 1, 202, 555 and 0101, and answers that it is accepted.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel), and an SMPP 3.4 server in this script.
# Seen:      2026-11, Debian 12.
# Behaviour: A program calls sendsms with a number as people write it. Each call is answered with 202 and "0: Accepted for
#            delivery".
#            (1) The space is what separates two receivers, as the guide says. So the text goes to the pieces of one
#                number: each is charged, and some are short codes of others. A piece with a character that is not
#                allowed, such as "(202)", is dropped, and the other pieces are sent to.
#            (2) A number with hyphens is given to the network with them, as an international number.
#            (3) A number without a plus is given to the network as a national one (TON 2), although it has its country
#                code. In a URL, a plus that is not written as %2B is a space, and has this effect.
#            (4) validity counts from now, and not from the time that deferred says. A text with validity=60 and
#                deferred=120, in minutes, has expired an hour before it is due. Kannel sends it on to the network.
# Output seen:
#            +1 202 555 0101: 202, to 1 (TON 1), 202 (TON 2), 555 (TON 2), 0101 (TON 2)
#            +1 (202) 555-0101: 202, to 1 (TON 1), 555-0101 (TON 2)
#            +1-202-555-0101: 202, to 1-202-555-0101 (TON 1)
#            12025550101: 202, to 12025550101 (TON 2)
#            +12025550101: 202, to 12025550101 (TON 1)
#            +12025550101, the plus not written as %2B: 202, to 12025550101 (TON 2)
#            validity 60, deferred 120: 202, due 60 minutes after its end
# For us:    Ibiki gives Kannel one number in E.164 in each request, and neither of the two times.
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
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from socket import create_connection, socket
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import quote, urlencode

FOLDER = Path(sys.argv[1])
SUBMIT = 4
END = "end"
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = a
smsbox-port = {box}

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
"""
submitted = []


class Network(StreamRequestHandler):
    def handle(self):
        while head := self.rfile.read(16):
            length, command, _, number = struct.unpack(">IIII", head)
            body = self.rfile.read(length - 16)
            if command == SUBMIT:
                submitted.append(read(body))
            if command < 0x80000000:
                self.wfile.write(struct.pack(">IIII", 18, command | 0x80000000, 0, number) + b"1\0")


def read(body):
    """The receiver, its type, when it is due, when it ends, and the text."""
    _, rest = body.split(b"\0", 1)
    _, rest = rest[2:].split(b"\0", 1)
    kind, (number, rest) = rest[0], rest[2:].split(b"\0", 1)
    due, end, rest = rest[3:].split(b"\0", 2)
    return number.decode(), kind, due.decode(), end.decode(), rest[5 : 5 + rest[4]].decode()


def free_port():
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port):
    for _ in range(400):
        with suppress(OSError):
            create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def start(stack, *command):
    process = stack.enter_context(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    )
    stack.callback(lambda: os.killpg(process.pid, signal.SIGKILL))


def call(query):
    with urllib.request.urlopen(f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms?{query}") as said:
        assert said.read() == b"0: Accepted for delivery"
        return said.status


def send(to, **more):
    """What left for the network. The link keeps the order of the texts, so that the one behind it ends the wait."""
    submitted.clear()
    fields = {"username": "u", "password": "p", "from": "20255", "text": "Hello", **more}
    status = call(f"{urlencode(fields)}&to={to}")
    call(urlencode({**fields, "text": END, "to": "+12025550199"}))
    for _ in range(1200):
        if any(each[-1] == END for each in submitted):
            break
        time.sleep(0.05)
    return status, [each for each in submitted if each[-1] != END]


def observe(label, to):
    status, left = send(to)
    print(f"{label}: {status}, to", ", ".join(f"{number} (TON {kind})" for number, kind, *_ in left))


def time_of(text):
    assert text.endswith("000+")
    return datetime.strptime(text[:12], "%y%m%d%H%M%S")


with ExitStack() as stack:
    network = stack.enter_context(ThreadingTCPServer(("127.0.0.1", 0), Network))
    network.daemon_threads, network.block_on_close = True, False
    threading.Thread(target=network.serve_forever, daemon=True).start()
    stack.callback(network.shutdown)
    ports = {each: free_port() for each in ("admin", "box", "send")}
    file = FOLDER / "kannel.conf"
    file.write_text(CONFIGURATION.format(**ports, network=network.server_address[1]))
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    time.sleep(1)
    for number in ("+1 202 555 0101", "+1 (202) 555-0101", "+1-202-555-0101", "12025550101", "+12025550101"):
        observe(number, quote(number))
    observe("+12025550101, the plus not written as %2B", "+12025550101")
    status, [(*_, due, end, _)] = send(quote("+12025550101"), validity=60, deferred=120)
    minutes = (time_of(due) - time_of(end)).total_seconds() / 60
    print(f"validity 60, deferred 120: {status}, due {minutes:.0f} minutes after its end")
PYTHON

timeout 200 python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
+1 202 555 0101: 202, to 1 (TON 1), 202 (TON 2), 555 (TON 2), 0101 (TON 2)
+1 (202) 555-0101: 202, to 1 (TON 1), 555-0101 (TON 2)
+1-202-555-0101: 202, to 1-202-555-0101 (TON 1)
12025550101: 202, to 12025550101 (TON 2)
+12025550101: 202, to 12025550101 (TON 1)
+12025550101, the plus not written as %2B: 202, to 12025550101 (TON 2)
validity 60, deferred 120: 202, due 60 minutes after its end
SEEN
