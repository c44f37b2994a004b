#!/usr/bin/env bash
# smppy, a server for SMPP, receives one text of three that come together, and none that comes in two pieces.
#
# Software:  smppy 0.3.2 with smpppdu 0.1.2 (PyPI), and an SMPP 3.4 client in this script.
# Seen:      2026-11, Python 3.11.
# Behaviour: SMPP runs over TCP, which has no borders between messages. A client need not wait for an answer before it
#            sends the next PDU (SMPP 3.4, 2.5).
#            (1) smppy takes each piece that it reads for one PDU. If three texts have come by then, it receives and
#                answers the first. A text behind an enquire_link is lost too. The client waits for answers that
#                never come. With a pause between the texts, as in a test by hand, all are received.
#            (2) A PDU that comes in two pieces is neither received nor answered.
#            (3) A text in message_payload (5.3.2.32), where long texts are, is answered with status 0. The program
#                receives an empty text.
#            (4) A text for the display (data_coding 0xF0, "flash") is neither received nor answered.
#            (5) It answers bind_transceiver only: a client that binds as transmitter waits for ever.
# Output seen:
#            three texts, with pauses: received "A" "B" "C", answered 2 3 4
#            three texts together: received "A", answered 2
#            enquire_link and a text together: received nothing, answered 2
#            a text in two pieces: received nothing, answered nothing
#            a text in message_payload: received "", answered 2
#            a flash text: received nothing, answered nothing
#            bind_transmitter: answered nothing
# For us:    Ibiki speaks no SMPP itself. Its tests of Kannel use a network that was written for them.
#
# Starts the server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smppy==0.3.2 smpppdu==0.1.2

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import json
import logging
import struct

from smppy import Application
from smppy.server import SmppProtocol

QUIET = 0.7  # seconds without an answer
BIND_TRANSMITTER, SUBMIT, BIND_TRANSCEIVER, ENQUIRE = 2, 4, 9, 0x15
MESSAGE_PAYLOAD = 0x0424


class Server(Application):
    received: list[str] = []

    async def handle_bound_client(self, client):
        return client

    async def handle_unbound_client(self, client):
        pass

    async def handle_sms_received(self, client, source_number, dest_number, text):
        self.received.append(text)


def pdu(command, number, body=b""):
    return struct.pack(">IIII", 16 + len(body), command, 0, number) + body


def bind(command):
    return pdu(command, 1, b"name\0password\0\0" + bytes((0x34, 0, 0)) + b"\0")


def submit(number, text, *, coding=0, payload=False):
    addresses = b"\0" + b"\1\1" + b"12025550100\0" + b"\1\1" + b"12025550101\0"
    rest = bytes((0, 0, 0)) + b"\0\0" + bytes((0, 0, coding, 0, 0 if payload else len(text)))
    field = struct.pack(">HH", MESSAGE_PAYLOAD, len(text)) if payload else b""
    return pdu(SUBMIT, number, addresses + rest + field + text)


async def answers(reader):
    """The numbers of the answers, until none comes any more. All of them have status 0."""
    numbers = []
    while True:
        try:
            head = await asyncio.wait_for(reader.readexactly(16), QUIET)
        except TimeoutError:
            return numbers
        length, _, status, number = struct.unpack(">IIII", head)
        assert status == 0
        await reader.readexactly(length - 16)
        numbers.append(number)


async def observe(port, label, *pieces, command=BIND_TRANSCEIVER):
    Server.received.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(bind(command))
    bound = await answers(reader)
    answered = []
    for piece in pieces:
        writer.write(piece)
        answered += await answers(reader)
    writer.close()
    if not pieces:
        print(f"{label}: answered", *bound or ["nothing"])
        return
    assert bound == [1]
    received = [json.dumps(text) for text in Server.received]
    print(f"{label}: received", " ".join(received or ["nothing"]) + ", answered", *answered or ["nothing"])


async def main():
    app = Server("server")
    server = await asyncio.get_running_loop().create_server(lambda: SmppProtocol(app=app), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    three = [submit(number, text) for number, text in enumerate((b"A", b"B", b"C"), start=2)]
    await observe(port, "three texts, with pauses", *three)
    await observe(port, "three texts together", b"".join(three))
    await observe(port, "enquire_link and a text together", pdu(ENQUIRE, 2) + submit(3, b"A"))
    await observe(port, "a text in two pieces", three[0][:30], three[0][30:])
    await observe(port, "a text in message_payload", submit(2, b"A", payload=True))
    await observe(port, "a flash text", submit(2, b"A", coding=0xF0))
    await observe(port, "bind_transmitter", command=BIND_TRANSMITTER)


logging.disable()
asyncio.run(main())
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
three texts, with pauses: received "A" "B" "C", answered 2 3 4
three texts together: received "A", answered 2
enquire_link and a text together: received nothing, answered 2
a text in two pieces: received nothing, answered nothing
a text in message_payload: received "", answered 2
a flash text: received nothing, answered nothing
bind_transmitter: answered nothing
SEEN
