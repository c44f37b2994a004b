#!/usr/bin/env bash
# Kannel loses texts that it has answered with 202 on a normal stop, and takes "204 No Content" for a failure.
#
# Software:  bearerbox and smsbox 1.4.5 (Debian package kannel) and fakesmsc (kannel-extras).
# Seen:      2026-11, Debian 12.
# Behaviour: (1) Without store-type, which is the default, texts wait in memory. SIGTERM, the usual way to stop
#                a service, ends bearerbox with exit code 0, and the texts that were answered with "202 3: Queued
#                for later delivery" are gone. The log says so at the debug level only ("Remaining SMS").
#            (2) A get-url that answers 204 has failed: the same text is passed again http-request-retry times.
#                A receiver that stores each call stores the text several times.
#            (3) http-request-retry is 0 by default: if the get-url answers 503 once, the text is lost.
#            (4) A request may name several numbers. One that is malformed is dropped and one that is repeated
#                is sent once; the answer is the same 202. A malformed number alone is answered with 400.
# Output seen:
#            stopped with SIGTERM: 3 answered with 202 3: Queued for later delivery, exit code 0, 0 left afterwards
#            the same with store-type = spool: 3 answered, exit code 0, 3 left afterwards
#            get-url answers 204, http-request-retry 2: 3 calls with 1 ID for 1 text
#            get-url answers 503, default: 1 call for 1 text
#            4 numbers, 1 malformed, 1 repeated: 202 0: Accepted for delivery, 2 left
#            the malformed number alone: 400
# For us:    `ibiki check-provider kannel` demands a store and retries. Ibiki answers 200 and sends one number
#            per request.
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
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import create_connection, socket
from urllib.parse import parse_qs, urlencode, urlsplit

FOLDER = Path(sys.argv[1])
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = a
smsbox-port = {box}
{core}

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
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:{callback}/?id=%I&text=%b"
"""
calls = []
answer = 204


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        calls.append(parse_qs(urlsplit(self.path).query)["id"][0])
        self.send_response(answer)
        if answer != 204:
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


class Kannel:
    def __init__(self, stack, name, core="", smsbox=""):
        self.stack, self.log = stack, FOLDER / f"{name}.log"
        self.ports = {each: free_port() for each in ("admin", "box", "fake", "send")}
        self.file = FOLDER / f"{name}.conf"
        self.file.write_text(
            CONFIGURATION.format(**self.ports, core=core, smsbox=smsbox, callback=callback.server_port)
        )
        self.start_bearerbox()
        self.start("smsbox", str(self.file))
        wait_for(self.ports["send"])
        time.sleep(1)

    def start_bearerbox(self):
        self.bearerbox = self.start("bearerbox", str(self.file))
        wait_for(self.ports["box"])

    def start(self, *command, output=subprocess.DEVNULL):
        process = self.stack.enter_context(
            subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        )

        def end():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        self.stack.callback(end)
        return process

    def network(self, inbound=0):
        """Connects a network, which sends this many texts and logs what it gets."""
        output = self.stack.enter_context(self.log.open("w"))
        text = "+12025550143 20255 text Hello"
        port = str(self.ports["fake"])
        self.start("fakesmsc", "-r", port, "-m", str(inbound), text, output=output)

    def left(self):
        return self.log.read_text(errors="replace").count("Got message")

    def send(self, numbers):
        query = urlencode({"username": "u", "password": "p", "from": "20255", "to": numbers, "text": "Hi"})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['send']}/cgi-bin/sendsms?{query}") as said:
                return f"{said.status} {said.read().decode()}"
        except urllib.error.HTTPError as error:
            return str(error.code)

    def stop_and_start(self):
        self.bearerbox.send_signal(signal.SIGTERM)
        code = self.bearerbox.wait(60)
        self.start_bearerbox()
        self.network()
        time.sleep(4)
        return f"exit code {code}, {self.left()} left afterwards"


callback = HTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=callback.serve_forever, daemon=True).start()
numbers = ["+12025550101", "+12025550102", "+12025550103"]
with ExitStack() as stack:
    kannel = Kannel(stack, "memory")
    (said,) = {kannel.send(each) for each in numbers}
    print(f"stopped with SIGTERM: 3 answered with {said}, {kannel.stop_and_start()}")
with ExitStack() as stack:
    (FOLDER / "store").mkdir()
    kannel = Kannel(stack, "spool", core=f'store-type = spool\nstore-location = "{FOLDER}/store"')
    (said,) = {kannel.send(each) for each in numbers}
    print(f"the same with store-type = spool: 3 answered, {kannel.stop_and_start()}")
with ExitStack() as stack:
    kannel = Kannel(stack, "retry", smsbox="http-request-retry = 2\nhttp-queue-delay = 1")
    kannel.network(inbound=1)
    time.sleep(6)
    print(f"get-url answers 204, http-request-retry 2: {len(calls)} calls with {len(set(calls))} ID for 1 text")
calls.clear()
answer = 503
with ExitStack() as stack:
    kannel = Kannel(stack, "default")
    kannel.network(inbound=1)
    time.sleep(6)
    print(f"get-url answers 503, default: {len(calls)} call for 1 text")
    said = kannel.send("+12025550101 malformed! +12025550102 +12025550102")
    time.sleep(2)
    print(f"4 numbers, 1 malformed, 1 repeated: {said}, {kannel.left()} left")
    print(f"the malformed number alone: {kannel.send('malformed!')}")
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
stopped with SIGTERM: 3 answered with 202 3: Queued for later delivery, exit code 0, 0 left afterwards
the same with store-type = spool: 3 answered, exit code 0, 3 left afterwards
get-url answers 204, http-request-retry 2: 3 calls with 1 ID for 1 text
get-url answers 503, default: 1 call for 1 text
4 numbers, 1 malformed, 1 repeated: 202 0: Accepted for delivery, 2 left
the malformed number alone: 400
SEEN
