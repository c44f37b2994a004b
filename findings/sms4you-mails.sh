#!/usr/bin/env bash
# sms4you sends a mail in Cyrillic as an SMS "0J/RgNC40LLQtdGC", and changes links in mails in English.
#
# Software:  sms4you-email 0.0.7 (Debian package), which sends mails as SMS, with asgiref 3.6.0 (PyPI), and nodemailer
#            10.6.1 (npm), which writes the mails. The IMAP server is in this script.
# Seen:      2026-11, Debian 12, Python 3.11, Node 20.
# Behaviour: The subject of a mail is the number, and its body is the text of the SMS. A mail says how its body is
#            encoded (Content-Transfer-Encoding, RFC 2045, 6). sms4you does not look at it, and decodes each body as
#            quoted-printable. Its manual does not say so.
#            (1) A text that is mostly in another alphabet is written in base64. The code is sent as the SMS.
#            (2) A text in ASCII is written as it is (7bit). "=" and two digits in it, as in many links, become one
#                character: the person who opens the link sees another page, or none.
#            (3) A text in a Latin alphabet is written as quoted-printable, and is right, so that a test passes.
#            (4) A number with spaces is refused by mail, although the search for it in the subject allows spaces.
# Output seen:
#            'Hello' (7bit): to +12025550101, 'Hello'
#            'Come to the café' (quoted-printable): to +12025550101, 'Come to the café'
#            'Привет' (base64): to +12025550101, '0J/RgNC40LLQtdGC'
#            'Pay at example.com/?id=417' (7bit): to +12025550101, 'Pay at example.com/?idA7'
#            subject +1 202 555 0101: to nobody, mail to ada@example.com: Email contains invalid phone number
# For us:    Ibiki takes no mails. A program that sends them can use the REST API, with the text as JSON.
#
# Runs an IMAP and an SMTP server on loopback ports. Downloads the package, and does not install it. Exits with 1 if the
# behaviour changes.
set -euo pipefail
for program in apt-get dpkg-deb openssl node npm; do
  command -v $program >/dev/null || { echo "This needs $program." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check asgiref==3.6.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts nodemailer@10.6.1 >/dev/null)
(cd "$folder" && apt-get -qq -o "APT::Sandbox::User=$(id -un)" download sms4you-email=0.0.7-2 >/dev/null)
dpkg-deb -x "$folder"/sms4you-email_*.deb "$folder/package"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$folder/key" -out "$folder/cert" \
  2>/dev/null

cat >"$folder/write.cjs" <<'NODE'
const [subject, text] = process.argv.slice(2);
const transport = require("nodemailer").createTransport({ streamTransport: true, buffer: true });
transport
  .sendMail({ from: "Ada <ada@example.com>", to: "sms@example.com", subject, text })
  .then(({ message }) => process.stdout.write(message));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import email
import importlib.util
import logging
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import SimpleNamespace

FOLDER = Path(sys.argv[1])
ADDRESS, SENDER = "sms@example.com", "ada@example.com"
inbox, answers = [], []


class Secure(ThreadingTCPServer):
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        return context.wrap_socket(connection, server_side=True), address


class Imap(StreamRequestHandler):
    def handle(self):
        self.say("* OK ready")
        for line in self.rfile:
            tag, command, *rest = line.decode().split(maxsplit=2)
            if command == "CAPABILITY":
                self.say("* CAPABILITY IMAP4rev1")
            elif command == "SELECT":
                self.say("* 1 EXISTS")
            elif rest and rest[0].startswith("SEARCH"):
                self.say("* SEARCH 1")
            elif rest and rest[0].startswith("FETCH"):
                self.fetch(inbox[-1])
            elif command == "LOGOUT":
                self.say("* BYE")
            self.say(f"{tag} OK done")

    def fetch(self, mail):
        """RFC 3501, 6.4.5: the body as it was transferred, and two header fields"""
        parsed = email.message_from_bytes(mail)
        pieces = [("BODY[1]", mail.split(b"\r\n\r\n", 1)[1])]
        for name in ("SUBJECT", "FROM"):
            pieces.append((f"BODY[HEADER.FIELDS ({name})]", f"{name}: {parsed[name]}\r\n\r\n".encode()))
        self.wfile.write(b"* 1 FETCH (UID 1")
        for name, content in pieces:
            self.wfile.write(f" {name} {{{len(content)}}}\r\n".encode() + content)
        self.say(")")

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


class Smtp(StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            command = line.decode().split()[0].upper()
            if command == "DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b"".join(iter(self.rfile.readline, b".\r\n"))
                parsed = email.message_from_bytes(mail)
                answers.append((parsed["To"], parsed.get_payload(0).get_payload(decode=True).decode()))
            known = {"EHLO": "250-localhost\r\n250 AUTH PLAIN", "AUTH": "235 yes", "QUIT": "221 bye"}
            self.wfile.write(f"{known.get(command, '250 yes')}\r\n".encode())


def start(handler):
    server = Secure(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def written(subject, text):
    command = ("node", FOLDER / "write.cjs", subject, text)
    return subprocess.run(command, capture_output=True, check=True).stdout


def observe(label, mail):
    inbox.append(mail)
    answers.clear()
    number, text = asyncio.run(gateway.message())
    if number:
        print(f"{label}: to {number}, {text.strip()!r}")
    for receiver, said in answers:
        print(f"{label}: to nobody, mail to {receiver}: {said}")


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(FOLDER / "cert", FOLDER / "key")
where = FOLDER / "package/usr/lib/sms4you/sms4you-email/__init__.py"
specification = importlib.util.spec_from_file_location("sms4you_email", where)
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)
config = SimpleNamespace(
    email_imap_host="127.0.0.1", email_imap_port=start(Imap), email_smtp_host="127.0.0.1", email_smtp_port=start(Smtp),
    email_username=ADDRESS, email_password="password", sender_emails=[SENDER],
)
gateway = module.GatewayEmail(config, None, SimpleNamespace(log=logging.getLogger("sms4you")))

for text in ("Hello", "Come to the café", "Привет", "Pay at example.com/?id=417"):
    mail = written("+12025550101", text)
    observe(f"{text!r} ({email.message_from_bytes(mail)['Content-Transfer-Encoding']})", mail)
observe("subject +1 202 555 0101", written("+1 202 555 0101", "Hello"))
PYTHON

timeout 200 "$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
'Hello' (7bit): to +12025550101, 'Hello'
'Come to the café' (quoted-printable): to +12025550101, 'Come to the café'
'Привет' (base64): to +12025550101, '0J/RgNC40LLQtdGC'
'Pay at example.com/?id=417' (7bit): to +12025550101, 'Pay at example.com/?idA7'
subject +1 202 555 0101: to nobody, mail to ada@example.com: Email contains invalid phone number
SEEN
