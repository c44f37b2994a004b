#!/usr/bin/env bash
# Kannel says "Accepted for delivery" about texts that it then cuts or damages, and answers each inbound
# text with its own text.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel) and fakesmsc (kannel-extras).
# Seen:      2026-11, Debian 12.
# Behaviour: A sendsms-user with only a name and a password, and an sms-service with only a get-url:
#            (1) A text of 400 characters is answered with 202, and its first 160 characters leave. No
#                report and no log at the usual level says so. (max-messages is 1, concatenation off.)
#            (2) A text with characters outside GSM-7 is answered with 202. Each such character leaves as
#                a question mark, unless the request has X-Kannel-Coding: 2.
#            (3) The person who wrote a text gets "<Empty reply from service provider>", if the get-url
#                answers with an empty body. (max-messages of the service is not 0.)
#            (4) smsbox with a smsbox-id, but without a group smsbox-route: inbound texts never reach the
#                get-url, and nothing is logged at the usual level. Sending works.
# Output seen:
#            400 characters: 202 0: Accepted for delivery, 160 characters left
#            Cyrillic: 202 0: Accepted for delivery, ?????? left
#            inbound: 1 call, the phone got <Empty reply from service provider>
#            inbound with smsbox-id: 0 calls
# For us:    `ibiki check-provider kannel` finds (1), (3) and (4); the adapter sends (2) with its coding.
#
# Starts Kannel on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin:/usr/lib/kannel/test
for program in bearerbox smsbox fakesmsc; do
  command -v $program >/dev/null || { echo "Install kannel and kannel-extras first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/observe.py" <<'PYTHON'
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import create_connection, socket

FOLDER = Path(sys.argv[1])
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = a
smsbox-port = {box}
log-level = 1

group = smsc
smsc = fake
port = {fake}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
{smsbox}

group = sendsms-user
username = u
password = p

group = sms-service
keyword = default
get-url = "http://127.0.0.1:{callback}/?%b"
"""
calls = []

class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        calls.append(self.path)
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
    for _ in range(100):
        try:
            create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")

def eventually(found, seconds=8):
    for _ in range(seconds * 20):
        if found():
            return True
        time.sleep(0.05)
    return False

def start(stack, *command, output=subprocess.DEVNULL):
    process = stack.enter_context(
        subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    )
    stack.callback(process.kill)

def kannel(stack, name, smsbox=""):
    """A Kannel with the defaults. Returns its ports and what its network prints."""
    ports = {each: free_port() for each in ("admin", "box", "fake", "send")}
    file = FOLDER / f"{name}.conf"
    file.write_text(
        CONFIGURATION.format(**ports, callback=callback.server_port, smsbox=smsbox)
    )
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    return ports, FOLDER / f"{name}.log"

def send(ports, text):
    request = urllib.request.Request(
        f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms",
        data=text.encode(),
        headers={
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": "u",
            "X-Kannel-Password": "p",
            "X-Kannel-From": "20255",
            "X-Kannel-To": "+12025550143",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return f"{answer.status} {answer.read().decode()}"

callback = HTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=callback.serve_forever, daemon=True).start()
seen = []
with ExitStack() as stack:
    ports, log = kannel(stack, "defaults")
    with log.open("w") as output:
        start(stack, "fakesmsc", "-r", str(ports["fake"]), "-m", "1",
              "+12025550143 20255 text Hello", output=output)
        printed = lambda: log.read_text(errors="replace")
        eventually(lambda: "Empty reply" in printed() or "Empty+reply" in printed())
        empty = "Empty" in printed()
        first = send(ports, "L" * 400)
        eventually(lambda: "LLLL" in printed())
        second = send(ports, "\u041f\u0440\u0438\u0432\u0435\u0442")
        eventually(lambda: "??????" in printed() or "%3F%3F%3F" in printed())
        time.sleep(0.5)
        marks = "??????" if "??????" in printed() or "%3F" * 6 in printed() else "something else"
        seen.append(f"400 characters: {first}, {printed().count('L')} characters left")
        seen.append(f"Cyrillic: {second}, {marks} left")
        answer = "<Empty reply from service provider>" if empty else "nothing"
        seen.append(f"inbound: {len(calls)} call, the phone got {answer}")
calls.clear()
with ExitStack() as stack:
    ports, log = kannel(stack, "named", smsbox="smsbox-id = box1")
    with log.open("w") as output:
        start(stack, "fakesmsc", "-r", str(ports["fake"]), "-m", "1",
              "+12025550143 20255 text Hello", output=output)
        eventually(lambda: calls, seconds=4)
        seen.append(f"inbound with smsbox-id: {len(calls)} calls")
print("\n".join(seen))

EXPECTED = [
    "400 characters: 202 0: Accepted for delivery, 160 characters left",
    "Cyrillic: 202 0: Accepted for delivery, ?????? left",
    "inbound: 1 call, the phone got <Empty reply from service provider>",
    "inbound with smsbox-id: 0 calls",
]
sys.exit(seen != EXPECTED)
PYTHON
python3 "$folder/observe.py" "$folder"
