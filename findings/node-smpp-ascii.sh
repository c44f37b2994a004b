#!/usr/bin/env bash
# npm's smpp says ASCII and writes GSM-7: between it and Kannel, @ $ _ and others become other characters.
#
# Software:  smpp 0.5.1 (npm), SMPP server and client, with bearerbox and smsbox 1.4.5 (Debian package
#            kannel), and with aiosmpplib 0.7.4 (PyPI).
# Seen:      2026-11, Node 20, Python 3.11, Debian 12.
# Behaviour: SMPP 3.4 (5.2.19) has two codings for plain texts: 0, the alphabet of the network, and 1, ASCII. In
#            most networks, 0 is GSM-7. Both have letters and digits at the same places, so that tests pass.
#            (1) The npm library marks a text with 1, if no data_coding is given, and encodes it in GSM-7.
#                Kannel reads ASCII: what a phone wrote as "@" arrives as the character NUL, "$" and "_" as
#                control characters, "[" as two characters.
#            (2) It decodes 1 as GSM-7. A text that aiosmpplib sends as ASCII arrives with other characters.
# Output seen:
#            npm to Kannel: sent "Pay $5 to a_b@example.com [1]", coding 1, received "Pay \x025 to a\x11b\x00example.com \x1b<1\x1b>"
#            npm to Kannel, data_coding 0: received "Pay $5 to a_b@example.com [1]"
#            aiosmpplib to npm: sent "Pay $5 to a_b@example.com [1]" as ASCII, received "Pay ¤5 to a§b¡example.com Ä1Ñ"
# For us:    Ibiki stores such a text as Kannel gives it, with U+FFFD for NUL. docs/providers/kannel.md says
#            what to ask the network for.
#
# Starts Kannel and a network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in bearerbox smsbox node npm; do
  command -v $program >/dev/null || { echo "Install kannel, nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiosmpplib==0.7.4
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts smpp@0.5.1 >/dev/null)

cat >"$folder/network.cjs" <<'NODE'
// Prints its port, then the text of each submit_sm. Delivers the text when a line comes, twice: as it is, and
// with data_coding 0.
const smpp = require("smpp");
const text = process.argv[2];
const addresses = { source_addr_ton: 1, source_addr_npi: 1, dest_addr_ton: 1, dest_addr_npi: 1 };
const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("submit_sm", (pdu) => {
    console.log(pdu.short_message.message);
    session.send(pdu.response({ message_id: "1" }));
  });
  session.on("bind_transceiver", (pdu) => {
    session.send(pdu.response({ system_id: "network" }));
    process.stdin.once("data", () => {
      for (const more of [{}, { data_coding: 0 }])
        session.deliver_sm({
          ...addresses, ...more, short_message: text, destination_addr: "12025550100",
          source_addr: more.data_coding === 0 ? "12025550102" : "12025550101",
        });
    });
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aiosmpplib import PhoneNumber, SubmitSm
from aiosmpplib.protocol import BindTransceiver

FOLDER = Path(sys.argv[1])
TEXT = "Pay $5 to a_b@example.com [1]"
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
mo-recode = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:{callback}/?from=%p&text=%b"
"""
received = {}


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        fields = parse_qs(urlsplit(self.path).query)
        received[fields["from"][0]] = fields["text"][0]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port):
    for _ in range(400):
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def start(stack, *command):
    process = stack.enter_context(
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    )
    stack.callback(process.kill)
    return process


def shown(text):
    return "".join(each if each >= " " else f"\\x{ord(each):02x}" for each in text)


def submit(port):
    """Sends TEXT as aiosmpplib encodes it in ASCII, and waits for the answer."""
    message = SubmitSm(
        short_message=TEXT, source=PhoneNumber("20255"), destination=PhoneNumber("12025550143"),
        encoding="ascii", sequence_num=2,
    )
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        bind = BindTransceiver(sequence_num=1, system_id="u", password="p")
        line.sendall(bind.pdu() + message.pdu())
        while True:
            length, command = struct.unpack(">II", line.recv(8, socket.MSG_WAITALL))
            line.recv(length - 8, socket.MSG_WAITALL)
            if command == 0x80000004:
                return


callback = ThreadingHTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=callback.serve_forever, daemon=True).start()
with ExitStack() as stack:
    network = start(stack, "node", str(FOLDER / "network.cjs"), TEXT)
    port = int(network.stdout.readline())
    ports = {each: free_port() for each in ("admin", "box", "send")}
    file = FOLDER / "kannel.conf"
    file.write_text(CONFIGURATION.format(**ports, network=port, callback=callback.server_port))
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    time.sleep(1)
    print(file=network.stdin, flush=True)
    for _ in range(1200):
        if len(received) == 2:
            break
        time.sleep(0.05)
    first, second = shown(received["+12025550101"]), shown(received["+12025550102"])
    print(f'npm to Kannel: sent "{TEXT}", coding 1, received "{first}"')
    print(f'npm to Kannel, data_coding 0: received "{second}"')
    submit(port)
    print(f'aiosmpplib to npm: sent "{TEXT}" as ASCII, received "{network.stdout.readline().strip()}"')
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
npm to Kannel: sent "Pay $5 to a_b@example.com [1]", coding 1, received "Pay \x025 to a\x11b\x00example.com \x1b<1\x1b>"
npm to Kannel, data_coding 0: received "Pay $5 to a_b@example.com [1]"
aiosmpplib to npm: sent "Pay $5 to a_b@example.com [1]" as ASCII, received "Pay ¤5 to a§b¡example.com Ä1Ñ"
SEEN
