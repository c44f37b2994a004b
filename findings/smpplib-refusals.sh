#!/usr/bin/env bash
# smpplib reports a message that the network refused as sent, once errors have their own handler.
#
# Software:  smpplib 2.2.4 (PyPI), an SMPP client, with smpp 0.5.1 (npm) as the network.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: The network answers submit_sm with the status 0x58, "throttled". It has not taken the message.
#            (1) Without an error handler, `read_once` raises. This ends `listen` for all other messages too.
#            (2) With `set_error_pdu_handler`, which the library's warning recommends instead, the handler is
#                called. Then `message_sent_handler` is called with the same PDU, although it is documented
#                as "called when SMPP server accept message". A program that counts these calls, and does
#                not look at the status again, counts the message as sent. Its message_id is None.
# Output seen:
#            no error handler: PDUError, calls: none
#            error handler: no exception, calls: error 0x58, sent 0x58 without an ID
# For us:    Ibiki reaches SMPP networks through Kannel, which reports a refusal as 16.
#
# Starts the network on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'kill "${network:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smpplib==2.2.4
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts smpp@0.5.1 >/dev/null)

cat >"$folder/network.cjs" <<'NODE'
const smpp = require("smpp");
const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => session.send(pdu.response({ system_id: "network" })));
  session.on("submit_sm", (pdu) => session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED })));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
NODE
node "$folder/network.cjs" >"$folder/port" &
network=$!
for _ in $(seq 100); do [ -s "$folder/port" ] && break; sleep 0.1; done

cat >"$folder/observe.py" <<'PYTHON'
import logging
import sys

import smpplib.client
from smpplib.exceptions import PDUError

PORT = int(sys.argv[1])
logging.disable(logging.CRITICAL)


def seen(label, with_handler):
    calls = []

    def sent(pdu):
        calls.append(f"sent {pdu.status:#x} " + (f"as {pdu.message_id}" if pdu.message_id else "without an ID"))

    client = smpplib.client.Client("127.0.0.1", PORT, timeout=20, allow_unknown_opt_params=True)
    client.set_message_sent_handler(sent)
    if with_handler:
        client.set_error_pdu_handler(lambda pdu: calls.append(f"error {pdu.status:#x}"))
    client.connect()
    client.bind_transceiver(system_id="user", password="password")
    client.send_message(source_addr="20255", destination_addr="12025550143", short_message=b"Hello")
    try:
        client.read_once()
        said = "no exception"
    except PDUError as error:
        said = type(error).__name__
    client.disconnect()
    print(f"{label}: {said}, calls: {', '.join(calls) or 'none'}")


seen("no error handler", with_handler=False)
seen("error handler", with_handler=True)
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$(cat "$folder/port")" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
no error handler: PDUError, calls: none
error handler: no exception, calls: error 0x58, sent 0x58 without an ID
SEEN
