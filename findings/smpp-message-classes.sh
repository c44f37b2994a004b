#!/usr/bin/env bash
# aiosmpplib refuses each text that has a message class, and npm's smpp reads the class as an alphabet.
#
# Software:  aiosmpplib 0.7.4 (PyPI) and smpp 0.5.1 (npm), SMPP clients, and bearerbox and smsbox 1.4.5 (Debian package
#            kannel) for comparison. The network is an SMPP 3.4 server in this script.
# Seen:      2026-11, Python 3.11, Node 20, Debian 12.
# Behaviour: A text in GSM-7 that comes from the network can say where a phone is to show or store it. data_coding is
#            then 0xF0 to 0xF3 (message class) or 0xC0 to 0xDF (a message waits, such as 0xD8 for voice mail). SMPP 3.4
#            (5.2.19) has both, and GSM 03.38 (4) defines their bits: the last four are no alphabet.
#            (1) aiosmpplib passes none of them on. It answers generic_nack with status 0, which means that there is no
#                error: a network that looks at the status takes the text for delivered, and another one tries again.
#                Texts without a class arrive, so that a test passes.
#            (2) The npm library takes the last four bits for an alphabet. A text of class 2 is a Buffer, and "@" and
#                "$" in one of class 3 are control characters. The text about a voice mail is read as Chinese.
#            Kannel reads all of them.
# Output seen:
#            0x00: Kannel "Pay $5 @ shop", npm "Pay $5 @ shop", aiosmpplib "Pay $5 @ shop"
#            0xF0: Kannel "Pay $5 @ shop", npm "Pay $5 @ shop", aiosmpplib generic_nack 0
#            0xF1: Kannel "Pay $5 @ shop", npm "Pay $5 @ shop", aiosmpplib generic_nack 0
#            0xF2: Kannel "Pay $5 @ shop", npm a Buffer, aiosmpplib generic_nack 0
#            0xF3: Kannel "Pay $5 @ shop", npm "Pay \x025 \x00 shop", aiosmpplib generic_nack 0
#            0xD8: Kannel "Pay $5 @ shop", npm 6 other characters, aiosmpplib generic_nack 0
# For us:    Ibiki receives the texts of SMPP networks from Kannel.
#
# Starts Kannel and a network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in bearerbox smsbox node npm; do
  command -v $program >/dev/null || { echo "Install kannel, nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiosmpplib==0.7.4
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts smpp@0.5.1 >/dev/null)

cat >"$folder/client.cjs" <<'NODE'
// Prints the text of each deliver_sm as JSON.
const smpp = require("smpp");
const session = smpp.connect({ url: `smpp://127.0.0.1:${process.argv[2]}` });
session.bind_transceiver({ system_id: "npm", password: "p" });
session.on("deliver_sm", (pdu) => {
  const { message } = pdu.short_message;
  console.log(JSON.stringify(Buffer.isBuffer(message) ? null : message));
  session.send(pdu.response());
});
NODE

cat >"$folder/observe.py" <<'PYTHON'
import asyncio
import json
import socket
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aiosmpplib import ESME
from aiosmpplib.broker import SimpleBroker
from aiosmpplib.hook import AbstractHook
from aiosmpplib.protocol import DeliverSm

FOLDER = Path(sys.argv[1])
SECONDS = 60
CODINGS = (0x00, 0xF0, 0xF1, 0xF2, 0xF3, 0xD8)
GSM = b"Pay \x025 \x00 shop"
DELIVER, DELIVER_RESP, NACK, BIND = 5, 0x80000005, 0x80000000, 9
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = a
smsbox-port = {box}

group = smsc
smsc = smpp
host = 127.0.0.1
port = {network}
smsc-username = kannel
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
get-url = "http://127.0.0.1:{callback}/?text=%b"
"""


class Network:
    """Knows its clients by the names with which they bind."""

    def __init__(self):
        self.writers, self.answers = {}, asyncio.Queue()

    async def serve(self, reader, writer):
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                length, command, status, number = struct.unpack(">IIII", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                if command in (DELIVER_RESP, NACK):
                    self.answers.put_nowait((command, status))
                elif command < NACK:
                    self.write(writer, command | NACK, number, b"network\0")
                if command == BIND:
                    self.writers[body.split(b"\0")[0].decode()] = writer

    def write(self, writer, command, number, body):
        writer.write(struct.pack(">IIII", 16 + len(body), command, 0, number) + body)

    async def deliver(self, name, coding):
        """Returns the answer of the client."""
        addresses = b"\0" + b"\1\1" + b"12025550101\0" + b"\1\1" + b"12025550100\0"
        rest = bytes(5) + bytes((0, 0, coding, 0, len(GSM)))
        self.write(self.writers[name], DELIVER, 1000 + coding, addresses + rest + GSM)
        return await asyncio.wait_for(self.answers.get(), SECONDS)


class Hook(AbstractHook):
    def __init__(self):
        self.texts = []

    async def sending(self, smpp_message, pdu, client_id):
        pass

    async def received(self, smpp_message, pdu, client_id):
        if isinstance(smpp_message, DeliverSm):
            self.texts.append(smpp_message.short_message)

    async def send_error(self, smpp_message, error, client_id):
        pass


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def until(condition):
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def listening(port):
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                return
            await asyncio.sleep(0.05)


async def start(stack, *command, **options):
    process = await asyncio.create_subprocess_exec(*command, stderr=DEVNULL, **options)
    stack.callback(process.kill)
    return process


def shown(text):
    if not text.isascii():
        return f"{len(text)} other characters"
    return '"' + "".join(each if each >= " " else f"\\x{ord(each):02x}" for each in text) + '"'


async def main(stack):
    network, kannel = Network(), asyncio.Queue()
    server = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def callback(reader, writer):
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        kannel.put_nowait(parse_qs(urlsplit(target).query)["text"][0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    calls = await asyncio.start_server(callback, "127.0.0.1", 0)
    ports = {each: free_port() for each in ("admin", "box", "send")}
    (FOLDER / "kannel.conf").write_text(
        CONFIGURATION.format(**ports, network=port, callback=calls.sockets[0].getsockname()[1])
    )
    await start(stack, "bearerbox", str(FOLDER / "kannel.conf"), stdout=DEVNULL)
    await listening(ports["box"])
    await start(stack, "smsbox", str(FOLDER / "kannel.conf"), stdout=DEVNULL)
    await listening(ports["send"])
    npm = await start(stack, "node", str(FOLDER / "client.cjs"), str(port), stdout=PIPE)
    hook = Hook()
    esme = ESME(
        smsc_host="127.0.0.1", smsc_port=port, system_id="aiosmpplib", password="p", broker=SimpleBroker(),
        hook=hook, log_level="CRITICAL",
    )
    running = asyncio.create_task(esme.start())
    await until(lambda: len(network.writers) == 3)
    await until(lambda: esme.session_state == esme.bind_mode.session_state)
    for coding in CODINGS:
        assert await network.deliver("kannel", coding) == (DELIVER_RESP, 0)
        seen = [f"Kannel {shown(await asyncio.wait_for(kannel.get(), SECONDS))}"]
        assert await network.deliver("npm", coding) == (DELIVER_RESP, 0)
        text = json.loads(await asyncio.wait_for(npm.stdout.readline(), SECONDS))
        seen.append("npm a Buffer" if text is None else f"npm {shown(text)}")
        hook.texts.clear()
        command, status = await network.deliver("aiosmpplib", coding)
        if command == NACK:
            assert not hook.texts
            seen.append(f"aiosmpplib generic_nack {status}")
        else:
            await until(lambda: hook.texts)
            seen.append(f"aiosmpplib {shown(hook.texts[0])}")
        print(f"0x{coding:02X}: {', '.join(seen)}")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def run():
    async with AsyncExitStack() as stack:
        await main(stack)


asyncio.run(run())
PYTHON

PYTHONIOENCODING=utf-8 timeout 200 "$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
0x00: Kannel "Pay $5 @ shop", npm "Pay $5 @ shop", aiosmpplib "Pay $5 @ shop"
0xF0: Kannel "Pay $5 @ shop", npm "Pay $5 @ shop", aiosmpplib generic_nack 0
0xF1: Kannel "Pay $5 @ shop", npm "Pay $5 @ shop", aiosmpplib generic_nack 0
0xF2: Kannel "Pay $5 @ shop", npm a Buffer, aiosmpplib generic_nack 0
0xF3: Kannel "Pay $5 @ shop", npm "Pay \x025 \x00 shop", aiosmpplib generic_nack 0
0xD8: Kannel "Pay $5 @ shop", npm 6 other characters, aiosmpplib generic_nack 0
SEEN
