#!/usr/bin/env bash
# huawei-lte-api returns long texts three hours late on a machine in UTC, and skips 20 of 45 messages that are deleted.
#
# Software:  huawei-lte-api 2.0.1 (PyPI), which reads and sends SMS through Huawei's LTE routers. The router is in this
#            script.
# Seen:      2026-11, Python 3.11.
# Behaviour: `client.sms.get_messages()` is an iterator over all messages of the router, whose times have no zone. Those
#            of this router are local ones.
#            (1) A long text is not returned until ten seconds after its time, so that all its parts are there. The time
#                is compared with the clock of the machine. If the router is in Kampala (+03:00) and the program runs
#                in UTC, as in a container, each long text is returned three hours late. Short texts are not. A machine
#                in the zone of the router shows no difference.
#            (2) The iterator asks for pages of 20. If the program deletes each message after it was read, the others
#                move up, and each page skips as many as were deleted. A test with 20 messages is right.
#            (3) A text loses its spaces and line ends at both ends. A text of spaces only is None, although the type of
#                the field is str.
# Output seen:
#            the machine in Africa/Kampala: short text, long text
#            the machine in UTC: short text
#            20 messages, each deleted after it was read: 20 read, 0 left
#            45 messages, each deleted after it was read: 25 read, 20 left
#            '  Ada\n': 'Ada'
#            '  ': None
# For us:    Ibiki has no adapter for these routers.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check huawei-lte-api==2.0.1

cat >"$folder/observe.py" <<'PYTHON'
import os
import re
import threading
import time
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from huawei_lte_api.Client import Client
from huawei_lte_api.Connection import Connection

SINGLE, LONG = 1, 2
ONE = """<Message><Smstat>1</Smstat><Index>{index}</Index><Phone>+12025550101</Phone><Content>{text}</Content>
<Date>{date}</Date><Sca></Sca><SaveType>4</SaveType><Priority>0</Priority><SmsType>{kind}</SmsType></Message>"""
inbox = {}


class Router(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer("<response><token>1</token></response>")

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/api/sms/delete-sms":
            del inbox[int(re.search("<Index>(.*)</Index>", asked)[1])]
            return self.answer("<response>OK</response>")
        page, size = (int(re.search(f"<{name}>(.*)</{name}>", asked)[1]) for name in ("PageIndex", "ReadCount"))
        listed = list(inbox.values())[(page - 1) * size : page * size]
        messages = f"<Messages>{''.join(listed)}</Messages>"
        self.answer(f"<response><Count>{len(listed)}</Count>{messages}</response>")

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def receive(*texts, kind=SINGLE):
    """The texts are a minute old. The router is in Kampala."""
    date = datetime.now(ZoneInfo("Africa/Kampala")) - timedelta(minutes=1)
    for text in texts:
        index = 40_000 + len(inbox)
        inbox[index] = ONE.format(index=index, text=escape(text), date=f"{date:%Y-%m-%d %H:%M:%S}", kind=kind)


server = ThreadingHTTPServer(("127.0.0.1", 0), Router)
threading.Thread(target=server.serve_forever, daemon=True).start()
with Connection(f"http://127.0.0.1:{server.server_port}/") as connection:
    sms = Client(connection).sms
    receive("short text")
    receive("long text", kind=LONG)
    for zone in ("Africa/Kampala", "UTC"):
        os.environ["TZ"] = zone
        time.tzset()
        print(f"the machine in {zone}:", ", ".join(each.content for each in sms.get_messages()))
    for count in (20, 45):
        inbox.clear()
        receive(*(f"text {place}" for place in range(count)))
        read = 0
        for message in sms.get_messages():
            read += 1
            sms.delete_sms(message.index)
        print(f"{count} messages, each deleted after it was read: {read} read, {len(inbox)} left")
    for text in ("  Ada\n", "  "):
        inbox.clear()
        receive(text)
        [message] = sms.get_messages()
        print(f"{text!r}: {message.content!r}")
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
the machine in Africa/Kampala: short text, long text
the machine in UTC: short text
20 messages, each deleted after it was read: 20 read, 0 left
45 messages, each deleted after it was read: 25 read, 20 left
'  Ada\n': 'Ada'
'  ': None
SEEN
