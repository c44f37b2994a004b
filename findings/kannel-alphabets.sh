#!/usr/bin/env bash
# Kannel calls a Korean text UTF-8 that it has not converted, and reads parts of a text in the alphabet of the first.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel), and aiosmpplib 0.7.4 (PyPI), which writes what the
#            network sends.
# Seen:      2026-11, Debian 12, Python 3.11.
# Behaviour: The data_coding of a text says in which alphabet it is (SMPP 3.4, 5.2.19). The get-url has the text (%b) and
#            its charset (%C), as the guide says. Kannel answers each text with status 0.
#            (1) Korean (14) and Japanese (5) texts are passed as they came. The charset is "UTF-8" all the same: a
#                program decodes other letters, or none. Cyrillic (6) and Hebrew (7) are converted.
#            (2) Japanese texts with 9 or 10 are read as UTF-16 and become Chinese or other letters.
#            (3) Each part of a long text has its own data_coding. If the first part is in GSM-7 and the next in UCS-2,
#                Kannel joins the bytes, and reads all of them as it reads the first.
#            (4) A text in UCS-2 that is to be deleted after it was read (72; 3GPP TS 23.038, 4) is read as GSM-7.
# Output seen:
#            6 Cyrillic, "Привет": UTF-8 "Привет"
#            7 Hebrew, "שלום": UTF-8 "שלום"
#            8 UCS-2, "안녕하세요": UTF-8 "안녕하세요"
#            14 Korean, "안녕하세요": UTF-8 b'\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4'
#            5 Japanese, "こんにちは": UTF-8 "\x1b$B$3$s$K$A$O\x1b(B"
#            9 Japanese, "こんにちは": UTF-8 "花英苉芿苍"
#            10 Japanese, "こんにちは": UTF-8 "ᬤ䈤㌤猤䬤䄤伛⡂"
#            two parts, 0 and 8, "Price 5 €, да": UTF-8 b'Price 5  \xac\x00,\x00 \x044\x040'
#            72 UCS-2, "Привет": UTF-8 "èÉè¡è8è2è5èB"
# For us:    Ibiki shows U+FFFD for bytes that are not valid in the charset that Kannel names, and guesses no other one.
#            The network is to deliver such texts in UCS-2.
#
# Starts Kannel and an SMPP 3.4 network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in bearerbox smsbox; do
  command -v $program >/dev/null || { echo "Install kannel first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiosmpplib==0.7.4

cat >"$folder/observe.py" <<'PYTHON'
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from socket import create_connection, create_server, socket
from urllib.parse import parse_qsl, urlsplit

from aiosmpplib import PhoneNumber
from aiosmpplib.protocol import DeliverSm

FOLDER = Path(sys.argv[1])
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
get-url = "http://127.0.0.1:{callback}/?text=%b&charset=%C"
"""
KOREAN, JAPANESE, RUSSIAN = "안녕하세요", "こんにちは", "Привет"
received, lines, taken = Queue(), Queue(), Queue()


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        fields = dict(parse_qsl(urlsplit(self.path).query, encoding="latin-1"))
        received.put((fields["charset"], fields["text"].encode("latin-1")))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def network(listener):
    """Answers Kannel, and takes its answers."""
    while True:
        line, _ = listener.accept()
        with suppress(OSError, struct.error):
            while True:
                length, command, status, sequence = struct.unpack(">IIII", line.recv(16, 0x100))
                if length > 16:
                    line.recv(length - 16, 0x100)
                if command == 0x80000005:
                    taken.put(status)
                elif command < 0x80000000:
                    line.sendall(struct.pack(">IIII", 18, 0x80000000 | command, 0, sequence) + b"1\0")
                if command in (1, 2, 9):
                    lines.put(line)


def written(text, encoding):
    """A deliver_sm as aiosmpplib writes it."""
    phones = {"source": PhoneNumber("12025550101"), "destination": PhoneNumber("20255")}
    return DeliverSm(short_message=text, encoding=encoding, sequence_num=next(numbers), **phones).pdu()


def changed(pdu, *, coding=None, part=None):
    """The same PDU with another data_coding, or as a part of a long text."""
    end = pdu.index(b"\0\0\0\x01\0") + 5  # behind registered_delivery and replace_if_present_flag
    head, own, text = pdu[:end], pdu[end] if coding is None else coding, pdu[end + 3 :]
    if part is not None:
        text = bytes((5, 0, 3, 7, 2, part)) + text
        at = head.index(b"20255\0") + 6
        head = head[:at] + b"\x40" + head[at + 1 :]
    body = head[16:] + bytes((own, 0, len(text))) + text
    return struct.pack(">I", 16 + len(body)) + head[4:16] + body


def free_port():
    with socket() as taken_port:
        taken_port.bind(("127.0.0.1", 0))
        return taken_port.getsockname()[1]


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


def shown(charset, text):
    try:
        words = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text.decode(charset))
    except UnicodeDecodeError:
        return f"{charset} {text}"
    return f'{charset} "{words}"'


numbers = iter(range(1, 100))
CASES = {
    f'6 Cyrillic, "{RUSSIAN}"': [written(RUSSIAN, "iso8859_5")],
    '7 Hebrew, "שלום"': [written("שלום", "iso8859_8")],
    f'8 UCS-2, "{KOREAN}"': [written(KOREAN, "ucs2")],
    f'14 Korean, "{KOREAN}"': [written(KOREAN, "euc_kr")],
    f'5 Japanese, "{JAPANESE}"': [written(JAPANESE, "iso2022_jp")],
    f'9 Japanese, "{JAPANESE}"': [written(JAPANESE, "shift_jis")],
    f'10 Japanese, "{JAPANESE}"': [written(JAPANESE, "iso2022jp")],
    'two parts, 0 and 8, "Price 5 €, да"': [
        changed(written("Price 5 ", "gsm0338"), part=1),
        changed(written("€, да", "ucs2"), part=2),
    ],
    f'72 UCS-2, "{RUSSIAN}"': [changed(written(RUSSIAN, "ucs2"), coding=72)],
}
callback = ThreadingHTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=callback.serve_forever, daemon=True).start()
listener = create_server(("127.0.0.1", 0))
threading.Thread(target=network, args=(listener,), daemon=True).start()
ports = {each: free_port() for each in ("admin", "box", "send")}
file = FOLDER / "kannel.conf"
file.write_text(
    CONFIGURATION.format(**ports, network=listener.getsockname()[1], callback=callback.server_port)
)
with ExitStack() as stack:
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    line = lines.get(timeout=60)
    for label, pdus in CASES.items():
        for pdu in pdus:
            line.sendall(pdu)
            assert taken.get(timeout=60) == 0
        print(f"{label}: {shown(*received.get(timeout=60))}")
PYTHON

timeout 200 "$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
6 Cyrillic, "Привет": UTF-8 "Привет"
7 Hebrew, "שלום": UTF-8 "שלום"
8 UCS-2, "안녕하세요": UTF-8 "안녕하세요"
14 Korean, "안녕하세요": UTF-8 b'\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4'
5 Japanese, "こんにちは": UTF-8 "\x1b$B$3$s$K$A$O\x1b(B"
9 Japanese, "こんにちは": UTF-8 "花英苉芿苍"
10 Japanese, "こんにちは": UTF-8 "ᬤ䈤㌤猤䬤䄤伛⡂"
two parts, 0 and 8, "Price 5 €, да": UTF-8 b'Price 5  \xac\x00,\x00 \x044\x040'
72 UCS-2, "Привет": UTF-8 "èÉè¡è8è2è5èB"
SEEN
