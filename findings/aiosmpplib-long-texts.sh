#!/usr/bin/env bash
# aiosmpplib mixes long inbound texts of two phones, loses or reorders others, and sends parts that are too long.
#
# Software:  aiosmpplib 0.7.4 (PyPI), an asyncio SMPP client, and an SMPP 3.4 server in this script.
# Seen:      2026-11, Python 3.11.
# Behaviour: A long text comes in parts, with a reference that the phone chooses (3GPP TS 23.040, 9.2.3.24).
#            (1) Two phones use the same reference, which is one of 256, and their parts come by turns. One
#                text is received: it has the sender of one and the beginning of the other.
#            (2) A text with twelve parts is received with its parts in the order 1, 10, 11, 12, 2, 3 ….
#            (3) A text whose parts have a 16-bit reference is never received.
#            The library answers each part with status 0, so the network does not deliver it again.
#            (4) A part that is sent has up to 153 characters, and not 153 septets. Each of ^ { } \ [ ~ ] | €
#                takes two, so such parts are longer than a phone can receive.
# Output seen:
#            two phones: received from 12025550101: "Second, first half. First, second half."
#            twelve parts: received "01 10 11 12 02 03 04 05 06 07 08 09 "
#            16-bit reference: received nothing
#            parts answered with status 0: 18 of 18
#            sent, 306 characters with 153 euro signs: 2 parts of 229 and 230 septets
# For us:    Ibiki speaks no SMPP itself: Kannel joins the parts of inbound texts and splits outbound ones.
#
# Starts a network on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiosmpplib==0.7.4

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import struct

from aiosmpplib import ESME, PhoneNumber, SubmitSm
from aiosmpplib.broker import SimpleBroker
from aiosmpplib.hook import AbstractHook
from aiosmpplib.protocol import DeliverSm

DELIVER, DELIVER_RESP, SUBMIT = 5, 0x80000005, 4
LONG = "a\u20ac" * 153  # 306 characters, 459 septets


def part(sender, reference, total, number, text):
    """The body of a deliver_sm."""
    wide = reference > 255
    udh = struct.pack(">BBBHBB" if wide else ">BBBBBB", 6 if wide else 5, 8 if wide else 0, 4 if wide else 3,
                      reference, total, number)
    user_data = udh + text.encode()
    addresses = b"\0\x01\x01" + sender.encode() + b"\0\x01\x0112025550100\0"
    return addresses + b"\x40\0\0\0\0\0\0\0\0" + bytes([len(user_data)]) + user_data


PHONES = [
    part("12025550101", 7, 2, 1, "First, first half. "),
    part("12025550102", 7, 2, 1, "Second, first half. "),
    part("12025550101", 7, 2, 2, "First, second half."),
    part("12025550102", 7, 2, 2, "Second, second half."),
]
TWELVE = [part("12025550103", 8, 12, number, f"{number:02d} ") for number in range(1, 13)]
WIDE = [part("12025550104", 4660, 2, number, f"half {number} ") for number in (1, 2)]


async def until(condition):
    while not condition():
        await asyncio.sleep(0.02)


class Network:
    def __init__(self):
        self.statuses, self.submitted = [], []

    async def serve(self, reader, writer):
        self.writer = writer
        while True:
            try:
                length, command, status, sequence = struct.unpack(">IIII", await reader.readexactly(16))
            except asyncio.IncompleteReadError:
                return
            body = await reader.readexactly(length - 16)
            if command == DELIVER_RESP:
                self.statuses.append(status)
            elif command < 0x80000000:
                if command == SUBMIT:
                    self.submitted.append(body)
                self.write(command | 0x80000000, sequence, b"id\0")

    def write(self, command, sequence, body):
        self.writer.write(struct.pack(">IIII", 16 + len(body), command, 0, sequence) + body)

    async def deliver(self, bodies):
        before = len(self.statuses)
        for number, body in enumerate(bodies, before + 1):
            self.write(DELIVER, number, body)
        await until(lambda: len(self.statuses) == before + len(bodies))


class Hook(AbstractHook):
    def __init__(self):
        self.received_texts = []

    async def sending(self, smpp_message, pdu, client_id):
        pass

    async def received(self, smpp_message, pdu, client_id):
        if isinstance(smpp_message, DeliverSm):
            self.received_texts.append((smpp_message.source.number, smpp_message.short_message))

    async def send_error(self, smpp_message, error, client_id):
        pass


def septets(body):
    """The length of the text in a submit_sm with a header of six octets, which count as seven septets."""
    addresses = body.split(b"\0", 1)[1][2:].split(b"\0", 1)[1][2:].split(b"\0", 1)[1]
    return addresses[3:].split(b"\0", 2)[2][4] - 6


async def main():
    network, hook = Network(), Hook()
    server = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    broker = SimpleBroker()
    esme = ESME(
        smsc_host="127.0.0.1", smsc_port=server.sockets[0].getsockname()[1], system_id="user",
        password="password", broker=broker, hook=hook, log_level="CRITICAL",
    )
    running = asyncio.create_task(esme.start())
    await until(lambda: esme.session_state == esme.bind_mode.session_state)

    async def received(bodies):
        hook.received_texts.clear()
        await network.deliver(bodies)
        return hook.received_texts

    for sender, text in await received(PHONES):
        print(f'two phones: received from {sender}: "{text}"')
    for _, text in await received(TWELVE):
        print(f'twelve parts: received "{text}"')
    print(f"16-bit reference: received {await received(WIDE) or 'nothing'}")
    print(f"parts answered with status 0: {network.statuses.count(0)} of {len(network.statuses)}")
    await broker.enqueue(
        SubmitSm(
            short_message=LONG, source=PhoneNumber("20255"), destination=PhoneNumber("12025550143"),
            esm_class=0x40, auto_message_payload=False,
        )
    )
    await until(lambda: len(network.submitted) == 2)
    lengths = " and ".join(str(septets(body)) for body in network.submitted)
    print(f"sent, {len(LONG)} characters with {LONG.count(chr(0x20ac))} euro signs: 2 parts of {lengths} septets")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    server.close()


asyncio.run(main())
PYTHON

timeout 120 "$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
two phones: received from 12025550101: "Second, first half. First, second half."
twelve parts: received "01 10 11 12 02 03 04 05 06 07 08 09 "
16-bit reference: received nothing
parts answered with status 0: 18 of 18
sent, 306 characters with 153 euro signs: 2 parts of 229 and 230 septets
SEEN
