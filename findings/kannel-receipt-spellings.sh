#!/usr/bin/env bash
# Kannel reports a message as failed if its receipt says "delivrd", and reports nothing if its ID is in capitals.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel), with smpp 0.5.1 (npm) as the network.
# Seen:      2026-11, Debian 12, Node 20.
# Behaviour: The text of a receipt is not fixed by SMPP 3.4 (appendix B shows an example). Each message asks for
#            all reports. A report has a type (%d): 8 accepted by the network, 1 delivered, 2 failed, 4 buffered.
#            (1) Kannel compares the state with capitals. "stat:delivrd" is reported as 2, like "acceptd" and
#                "enroute", which come before delivery. After a 2, Kannel forgets the message.
#            (2) The ID of the message is compared letter by letter. If the network answered with 000000ad
#                and the receipt says 000000AD, there is no report.
#            (3) A receipt without the receipt flag (esm_class 0) is passed to the get-url as a text that the
#                phone wrote.
# Output seen:
#            stat:DELIVRD: 1 8
#            stat:delivrd: 2 8
#            stat:ENROUTE: 4 8
#            stat:enroute: 2 8
#            stat:ACCEPTD: 4 8
#            stat:acceptd: 2 8
#            ID in capitals: 8
#            without the flag: 8, received a text "id:… stat:DELIVRD …"
# For us:    Ibiki reads the state in a report of type 2 itself, without regard to case.
#
# Starts Kannel and a network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in bearerbox smsbox node npm; do
  command -v $program >/dev/null || { echo "Install kannel, nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts smpp@0.5.1 >/dev/null)

cat >"$folder/network.cjs" <<'NODE'
// The text of a message is the state of its receipt, or what is special about it.
const smpp = require("smpp");
let count = 0;
const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => session.send(pdu.response({ system_id: "network" })));
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("submit_sm", (pdu) => {
    const wanted = pdu.short_message.message;
    const id = "000000a" + (++count).toString(16);
    const state = wanted.startsWith("stat:") ? wanted.slice(5) : "DELIVRD";
    const inReceipt = wanted === "ID in capitals" ? id.toUpperCase() : id;
    const dates = "submit date:2611290700 done date:2611290701";
    session.send(pdu.response({ message_id: id }), () => {
      session.deliver_sm({
        source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
        esm_class: wanted === "without the flag" ? 0 : smpp.ESM_CLASS.MC_DELIVERY_RECEIPT, data_coding: 0,
        short_message: `id:${inReceipt} sub:001 dlvrd:001 ${dates} stat:${state} err:000 text:`,
      });
    });
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection, socket
from urllib.parse import parse_qs, urlsplit

FOLDER = Path(sys.argv[1])
CASES = [
    "stat:DELIVRD", "stat:delivrd", "stat:ENROUTE", "stat:enroute", "stat:ACCEPTD", "stat:acceptd",
    "ID in capitals", "without the flag",
]
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

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:{callback}/?phone=%p&text=%b"
"""
reports, texts = defaultdict(set), {}


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        fields = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if "type" in fields:
            reports[fields["phone"]].add(fields["type"])
        else:
            texts[fields["phone"]] = fields["text"]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


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
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    )
    stack.callback(process.kill)
    return process


def send(port, phone, text):
    url = f"http://127.0.0.1:{callback.server_port}/?phone=%%2B{phone[1:]}&type=%d"
    headers = {
        "Content-Type": "text/plain; charset=UTF-8", "X-Kannel-Username": "u", "X-Kannel-Password": "p",
        "X-Kannel-From": "20255", "X-Kannel-To": phone, "X-Kannel-DLR-Mask": "31", "X-Kannel-DLR-Url": url,
    }
    request = urllib.request.Request(f"http://127.0.0.1:{port}/cgi-bin/sendsms", text.encode(), headers)
    urllib.request.urlopen(request).close()


callback = ThreadingHTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=callback.serve_forever, daemon=True).start()
phones = {case: f"+1202555010{number}" for number, case in enumerate(CASES)}
with ExitStack() as stack:
    network = start(stack, "node", str(FOLDER / "network.cjs"))
    ports = {each: free_port() for each in ("admin", "box", "send")}
    file = FOLDER / "kannel.conf"
    port = network.stdout.readline().strip()
    file.write_text(CONFIGURATION.format(**ports, network=port, callback=callback.server_port))
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    for case, phone in phones.items():
        send(ports["send"], phone, case)
    time.sleep(5)
for case, phone in phones.items():
    text = texts.get(phone, "")
    received = ', received a text "id:… stat:DELIVRD …"' if text.startswith("id:") and "stat:DELIVRD" in text else ""
    print(f"{case}: {' '.join(sorted(reports[phone], key=int))}{received}")
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
stat:DELIVRD: 1 8
stat:delivrd: 2 8
stat:ENROUTE: 4 8
stat:enroute: 2 8
stat:ACCEPTD: 4 8
stat:acceptd: 2 8
ID in capitals: 8
without the flag: 8, received a text "id:… stat:DELIVRD …"
SEEN
