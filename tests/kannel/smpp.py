"""A small SMPP 3.4 network: it takes messages, answers, sends receipts and texts, and keeps a log.

Only what Kannel needs: bind, submit_sm, deliver_sm, enquire_link, unbind (SMPP 3.4 §4). `answers`:
what happens to a message to a number. Each message that was given to the network is in the log.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from domain.sending.text import GSM7_DEFAULT, GSM7_EXTENSION

RESPONSE = 0x80000000
SUBMIT, DELIVER, UNBIND, ENQUIRE_LINK = 4, 5, 6, 0x15
WORDS = range(0, 16, 4)
BINDS = (1, 2, 9)
OK, REFUSED, THROTTLED = 0, 0x0B, 0x58
RECEIPT, WITH_HEADER = 0x04, 0x40
"""esm_class: the text is a delivery receipt; the text begins with a user data header."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message that the network was given, one per segment."""

    sender: str
    number: str
    coding: int
    esm_class: int
    content: bytes
    message_id: str

    @property
    def text(self) -> str:
        """Its text without the header of a long one."""
        header = 1 + self.content[0] if self.esm_class & WITH_HEADER else 0
        content = self.content[header:]
        return content.decode("utf-16-be") if self.coding == 8 else _gsm7(content)

    @property
    def part(self) -> int:
        """Its place in a long text, from 1; 0 for a short text."""
        return self.content[5] if self.esm_class & WITH_HEADER else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a message, or of one part of a long one.

    `status`: of the response to submit_sm; None for no response. `receipts`: the states of its
    delivery receipts, in order. `early`: they are sent before the response. `hangs_up`: the link is
    closed instead of the response.
    """

    status: int | None = OK
    receipts: Sequence[str] = ()
    early: bool = False
    hangs_up: bool = False


@dataclass
class Network:
    """The network of one operator. `answers`: by number, and by number and part."""

    port: int = 0
    answers: dict[str | tuple[str, int], Answer] = field(default_factory=dict)
    log: list[Submitted] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    """The status of each response to a deliver_sm."""

    links: set[_Link] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def sent_to(self, number: str) -> list[Submitted]:
        """What the network was given for a number, in order."""
        return [each for each in self.log if each.number == number.removeprefix("+")]

    async def text_from(self, number: str, to: str, content: bytes, *, coding: int = 0) -> None:
        """A phone sends a text. `coding` 8: it is UCS-2."""
        await self._deliver(number, to, content, coding=coding)

    async def long_text_from(
        self, number: str, to: str, parts: Sequence[bytes], *, coding: int = 0
    ) -> None:
        """A phone sends a long text in parts."""
        for part, content in enumerate(parts, 1):
            header = bytes((5, 0, 3, 77, len(parts), part))
            await self._deliver(number, to, header + content, coding=coding, esm_class=WITH_HEADER)

    async def receipt(self, submitted: Submitted, state: str, *, link: _Link | None = None) -> None:
        """A delivery receipt about a message. `link`: through which it is sent, default any."""
        words = (
            f"id:{submitted.message_id} sub:001 dlvrd:001 submit date:2611290700"
            f" done date:2611290700 stat:{state} err:000 text:"
        )
        await self._deliver(
            submitted.number, submitted.sender, words.encode(), esm_class=RECEIPT, link=link
        )

    async def _deliver(
        self,
        sender: str,
        to: str,
        content: bytes,
        *,
        coding: int = 0,
        esm_class: int = 0,
        link: _Link | None = None,
    ) -> None:
        async with asyncio.timeout(60):
            while not self.links:
                self.changed.clear()
                await self.changed.wait()
        link = link or next(iter(self.links))
        fields = (sender.removeprefix("+"), to.removeprefix("+"), coding, esm_class, content)
        await link.send(DELIVER, _message(*fields))


def _gsm7(content: bytes) -> str:
    """A text in the default alphabet of phones, one septet in each byte."""
    septets = iter(content)
    return "".join(
        GSM7_EXTENSION[next(septets)] if each == 0x1B else GSM7_DEFAULT[each] for each in septets
    )


_numbers = itertools.count(1)


@dataclass(eq=False)
class _Link:
    """One bound connection."""

    network: Network
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sequence: int = 0

    async def run(self) -> None:
        """Answers until the other side disconnects."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer():
                pass
        self.network.links.discard(self)
        self.writer.close()

    async def send(self, command: int, body: bytes) -> None:
        """Sends a request to the other side."""
        self.sequence += 1
        await self._write(command, OK, self.sequence, body)

    async def _answer(self) -> bool:
        head = await self.reader.readexactly(16)
        length, command, status, sequence = (int.from_bytes(head[at : at + 4]) for at in WORDS)
        body = await self.reader.readexactly(length - 16)
        if command == SUBMIT:
            return await self._take(sequence, body)
        if command == RESPONSE | DELIVER:
            self.network.acknowledged.append(status)
        if command in BINDS:
            await self._write(RESPONSE | command, OK, sequence, b"network\0")
            self.network.links.add(self)
            self.network.changed.set()
        elif command in (ENQUIRE_LINK, UNBIND):
            await self._write(RESPONSE | command, OK, sequence, b"")
        return command != UNBIND

    async def _take(self, sequence: int, body: bytes) -> bool:
        submitted = _submitted(body, f"{next(_numbers):08x}")
        network = self.network
        network.log.append(submitted)
        network.changed.set()
        usual = network.answers.get(submitted.number, Answer())
        answer = network.answers.get((submitted.number, submitted.part), usual)
        if answer.hangs_up:
            return False
        if answer.early:
            await self._send_receipts(submitted, answer)
        if answer.status is not None:
            own_id = b"" if answer.status else submitted.message_id.encode() + b"\0"
            await self._write(RESPONSE | SUBMIT, answer.status, sequence, own_id)
        if not answer.early:
            await self._send_receipts(submitted, answer)
        return True

    async def _send_receipts(self, submitted: Submitted, answer: Answer) -> None:
        for state in answer.receipts:
            await self.network.receipt(submitted, state)

    async def _write(self, command: int, status: int, sequence: int, body: bytes) -> None:
        self.writer.write(struct.pack(">IIII", 16 + len(body), command, status, sequence) + body)
        await self.writer.drain()


def _message(sender: str, to: str, coding: int, esm_class: int, content: bytes) -> bytes:
    """The body of a deliver_sm (§4.6.1). Both numbers are international."""
    addresses = b"\0" + b"".join(b"\x01\x01" + each.encode() + b"\0" for each in (sender, to))
    tail = bytes((esm_class, 0, 0)) + b"\0\0" + bytes((0, 0, coding, 0, len(content)))
    return addresses + tail + content


def _submitted(body: bytes, message_id: str) -> Submitted:
    """The fields of a submit_sm (§4.4.1)."""
    _, rest = body.split(b"\0", 1)
    sender, rest = rest[2:].split(b"\0", 1)
    number, rest = rest[2:].split(b"\0", 1)
    esm_class = rest[0]
    _, rest = rest[3:].split(b"\0", 1)
    _, rest = rest.split(b"\0", 1)
    coding, length = rest[2], rest[4]
    content = rest[5 : 5 + length]
    return Submitted(sender.decode(), number.decode(), coding, esm_class, content, message_id)


@asynccontextmanager
async def running_network() -> AsyncIterator[Network]:
    """A network on a separate port, for as long as the block lasts."""
    network = Network()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_Link(network, reader, writer).run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
