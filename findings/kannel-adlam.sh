#!/usr/bin/env bash
# Kannel cuts letters of Adlam in two at the end of a part, and three readers of SMS cannot give the text to a program.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel), smspdudecoder 2.2.0 with bitstring 4.4.0,
#            python-messaging 0.5.13 and python-gsmmodem-new 0.13.0 (PyPI), and node-pdu 2.1.1 (npm).
# Seen:      2026-11, Debian 12, Python 3.11, Node 20.
# Behaviour: A letter above U+FFFF has two units in UCS-2, such as all letters of Adlam, in which Fulani is written in
#            West Africa. A part of a long text has 67 units, so that one is left over.
#            (1) Kannel (X-Kannel-Coding: 2) fills each part, and puts one half of a letter at its end, and the other at
#                the beginning of the next. It answers "Accepted", and nothing in its log says so.
#            (2) smspdudecoder raises UnicodeDecodeError for each of the two parts: nothing of the text is read.
#            (3) gsmmodem and python-messaging return strings with halves. Joined, they cannot be encoded in UTF-8, so
#                that a program cannot store, log or pass on the text. node-pdu returns halves too, and joined in
#                JavaScript, they are the text.
#            (4) To send, python-messaging writes such a letter in two and a half bytes: of two letters, the four bytes that
#                its PDU declares are two characters of other alphabets. gsmmodem raises ValueError.
#            An emoji at the same place has the same effect. One in the middle of a part shows nothing.
# Output seen:
#            Kannel: 0: Accepted for delivery, parts of 67 and 13 units, which end with D83A and begin with DD25
#            smspdudecoder: UnicodeDecodeError, UnicodeDecodeError
#            gsmmodem: 67 and 13 units, joined: UnicodeEncodeError
#            python-messaging: 67 and 13 units, joined: UnicodeEncodeError
#            node-pdu: 67 and 13 units, joined: the text
#            python-messaging sends two letters: 1E922 1E925 as 1E92 21E9
#            gsmmodem sends two letters: ValueError
# For us:    Ibiki counts such a text as if no letter was cut, and Kannel still cuts it (docs/providers/kannel.md). Texts
#            that Kannel receives in such parts are joined before they are decoded, and are right.
#
# Starts Kannel and an SMPP 3.4 network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in bearerbox smsbox node npm; do
  command -v $program >/dev/null || { echo "Install kannel, nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smspdudecoder==2.2.0 bitstring==4.4.0 \
  python-gsmmodem-new==0.13.0 python-messaging==0.5.13
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts node-pdu@2.1.1 >/dev/null)

cat >"$folder/read.cjs" <<'NODE'
const pdu = require("node-pdu");
const texts = process.argv.slice(2).map((octets) => pdu.parse(octets).data.getText());
console.log(JSON.stringify([texts.map((each) => each.length), Buffer.from(texts.join("")).toString("hex")]));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import json
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Queue
from socket import create_connection, create_server, socket

from gsmmodem.pdu import decodeSmsPdu, encodeSmsSubmitPdu
from messaging.sms import SmsDeliver, SmsSubmit
from smspdudecoder.easy import read_incoming_sms

FOLDER = Path(sys.argv[1])
TEXT = "\U0001e922\U0001e925\U0001e933\U0001e922" * 10
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
max-messages = 10
concatenation = true
"""
submitted = Queue()


def network(listener):
    """Accepts each submit_sm."""
    while True:
        line, _ = listener.accept()
        with suppress(OSError, struct.error):
            while True:
                length, command, _, sequence = struct.unpack(">IIII", line.recv(16, 0x100))
                body = line.recv(length - 16, 0x100) if length > 16 else b""
                if command == 4:
                    *_, rest = body.split(b"\0", 1)[1][2:].split(b"\0", 1)[1][2:].split(b"\0", 1)
                    rest = rest[3:].split(b"\0", 2)[2]
                    submitted.put(rest[5 : 5 + rest[4]])
                if command < 0x80000000:
                    line.sendall(struct.pack(">IIII", 18, 0x80000000 | command, 0, sequence) + b"1\0")


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
    stack.callback(process.kill)


def parts_of_kannel():
    """What Kannel answers, and the parts that it sends."""
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
        request = urllib.request.Request(
            f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms",
            data=TEXT.encode(),
            headers={
                "Content-Type": "text/plain; charset=UTF-8",
                "X-Kannel-Username": "u",
                "X-Kannel-Password": "p",
                "X-Kannel-From": "20255",
                "X-Kannel-To": "+12025550101",
                "X-Kannel-Coding": "2",
            },
        )
        with urllib.request.urlopen(request) as answer:
            said = answer.read().decode()
        return said, sorted((submitted.get(timeout=60) for _ in range(2)), key=lambda each: each[5])


def pdu_of(part):
    """The part as a phone receives it: an SMS-DELIVER (3GPP TS 23.040, 9.2.2.1) from +1 202 555 0101."""
    return f"00440B912120550501F1000862211090030000{len(part):02X}{part.hex().upper()}"


def units(text):
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def reading(read, pdus):
    try:
        texts = [read(each) for each in pdus]
    except UnicodeDecodeError:
        return ", ".join(failure(read, each) for each in pdus)
    lengths = " and ".join(str(units(each)) for each in texts)
    return f"{lengths} units, joined: {failure(str.encode, ''.join(texts))}"


def failure(function, value):
    try:
        function(value)
    except ValueError as error:
        return type(error).__name__
    return "no exception"


said, parts = parts_of_kannel()
first, second = (each[6:] for each in parts)
lengths = f"parts of {len(first) // 2} and {len(second) // 2} units"
print(f"Kannel: {said}, {lengths}, which end with {first[-2:].hex().upper()} and begin with {second[:2].hex().upper()}")
pdus = [pdu_of(each) for each in parts]
print("smspdudecoder:", reading(lambda pdu: read_incoming_sms(pdu)["content"], pdus))
print("gsmmodem:", reading(lambda pdu: decodeSmsPdu(pdu)["text"], pdus))
print("python-messaging:", reading(lambda pdu: SmsDeliver(pdu).text, pdus))
command = ["node", str(FOLDER / "read.cjs"), *pdus]
by_node, joined = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
whole = "the text" if bytes.fromhex(joined).decode() == TEXT else "another text"
print(f"node-pdu: {by_node[0]} and {by_node[1]} units, joined: {whole}")
[sent] = SmsSubmit("+12025550102", TEXT[:2]).to_pdu()
letters = " ".join(f"{ord(each):X}" for each in TEXT[:2])
print(f"python-messaging sends two letters: {letters} as {sent.pdu[-10:-6]} {sent.pdu[-6:-2]}")
print("gsmmodem sends two letters:", failure(lambda text: encodeSmsSubmitPdu("+12025550102", text), TEXT[:2]))
PYTHON

timeout 120 "$folder/venv/bin/python" -W ignore "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
Kannel: 0: Accepted for delivery, parts of 67 and 13 units, which end with D83A and begin with DD25
smspdudecoder: UnicodeDecodeError, UnicodeDecodeError
gsmmodem: 67 and 13 units, joined: UnicodeEncodeError
python-messaging: 67 and 13 units, joined: UnicodeEncodeError
node-pdu: 67 and 13 units, joined: the text
python-messaging sends two letters: 1E922 1E925 as 1E92 21E9
gsmmodem sends two letters: ValueError
SEEN
