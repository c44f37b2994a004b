#!/usr/bin/env bash
# mitake gives the texts of each batch the IDs 1, 2, 3, so that the next batch is not sent.
#
# Software:  mitake 0.9.2 (PyPI), a client for the SMS service Mitake in Taiwan, whose server is in this script.
# Seen:      2026-11, Python 3.11.
# Behaviour: `send_batch_sms` posts a line for each text, which begins with an ID of the sender. Mitake compares the ID
#            with those of the last 12 hours. For one that it had, it sends nothing and repeats its answer, with
#            "Duplicate=Y".
#            (1) The README calls the ID optional. Without it, the library takes the position in the batch. The second
#                batch of a day has the IDs of the first one, and its texts are not sent. The answer has statuscode 1,
#                which means that they are on their way, and the message ID of another text.
#            (2) The answer has a section for each text. The library returns the last one only: a text that was refused
#                is not seen, if one behind it was accepted.
#            (3) A text with two lines makes two lines of the batch. The second has neither ID nor number.
# Output seen:
#            batch of 2: msgid 101, statuscode 1; sent: 'A' 'B'
#            another batch of 2: Duplicate Y, msgid 101, statuscode 1; sent: nothing
#            the first number refused: msgid 102, statuscode 1; sent: 'F'
#            a text with two lines, as it is posted: '5$$0900000001$$$$$$$$$$First' 'Second'
# For us:    Ibiki has no adapter for Mitake. Its idempotency keys are chosen by the caller only.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mitake==0.9.2

cat >"$folder/observe.py" <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mitake import MitakeClient

REFUSED = "0900000009"
answers, sent, posted = {}, [], []


class Mitake(BaseHTTPRequestHandler):
    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().split("\n")
        posted[:] = lines
        said = []
        for line in lines:
            if "$$" not in line:
                continue
            own, number, *_, text = line.split("$$")
            if own in answers:
                said += [f"[{own}]", answers[own], "Duplicate=Y"]
                continue
            answers[own] = "statuscode=v" if number == REFUSED else f"msgid={100 + len(sent)}\r\nstatuscode=1"
            said += [f"[{own}]", answers[own]]
            if number != REFUSED:
                sent.append(text)
        said.append(f"AccountPoint={100 - len(sent)}")
        body = "\r\n".join(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def send(label, *messages):
    before = len(sent)
    said = client.send_batch_sms(list(messages))
    left = " ".join(map(repr, sent[before:])) or "nothing"
    said.pop("AccountPoint")
    print(f"{label}: {', '.join(f'{name} {said[name]}' for name in sorted(said))}; sent: {left}")


server = ThreadingHTTPServer(("127.0.0.1", 0), Mitake)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = MitakeClient("user", "password", base_url=f"http://127.0.0.1:{server.server_port}")
first, second = "0900000001", "0900000002"
send("batch of 2", {"to": first, "message": "A"}, {"to": second, "message": "B"})
send("another batch of 2", {"to": first, "message": "C"}, {"to": second, "message": "D"})
send(
    "the first number refused",
    {"to": REFUSED, "message": "E", "message_id": "3"},
    {"to": second, "message": "F", "message_id": "4"},
)
client.send_batch_sms([{"to": first, "message": "First\nSecond", "message_id": "5"}])
print("a text with two lines, as it is posted:", *map(repr, posted))
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
batch of 2: msgid 101, statuscode 1; sent: 'A' 'B'
another batch of 2: Duplicate Y, msgid 101, statuscode 1; sent: nothing
the first number refused: msgid 102, statuscode 1; sent: 'F'
a text with two lines, as it is posted: '5$$0900000001$$$$$$$$$$First' 'Second'
SEEN
