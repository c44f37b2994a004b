"""A connection to PostgreSQL that can be cut at a chosen statement.

A proxy on the loopback reads what the program sends (PostgreSQL 18, "Frontend/Backend Protocol",
54.7). A statement without arguments, such as BEGIN or COMMIT, is one `Q` message. Any other is
sent once, in a `P` message. The answer to a `P` does not end with "ready", so the connection can
be cut before that answer, but not after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

_CANCEL_REQUEST = 80877102
_READY = b"Z"


class Moment(StrEnum):
    """How far a statement gets before the connection is cut."""

    UNSENT = "UNSENT"
    UNANSWERED = "UNANSWERED"
    ANSWERED = "ANSWERED"


@dataclass
class CuttingProxy:
    """Its address, and where to cut the connection."""

    url: str = ""
    cuts: int = 0
    _cuts_due: list[tuple[bytes, Moment]] = field(default_factory=list)
    _calls: set[asyncio.Task[None]] = field(default_factory=set)

    def cut_at(self, statement: str, moment: Moment, *, times: int = 1) -> None:
        """Cuts the connection when the next statements that begin like this are at `moment`."""
        self._cuts_due.clear()
        self.then_cut_at(statement, moment, times=times)

    def then_cut_at(self, statement: str, moment: Moment, *, times: int = 1) -> None:
        """The same, after the cuts that are planned already."""
        self._cuts_due += [(statement.encode(), moment)] * times

    def moment_for(self, message: bytes) -> Moment | None:
        """When the connection is cut for this message. None if the message passes."""
        kind, spoken = message[:1], message[5:]
        if kind == b"P":
            spoken = spoken.partition(b"\0")[2]
        if not self._cuts_due or kind not in (b"Q", b"P"):
            return None
        statement, moment = self._cuts_due[0]
        if not spoken.lstrip().startswith(statement):
            return None
        del self._cuts_due[0]
        self.cuts += 1
        return moment


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[CuttingProxy]:
    """A proxy to the database of a test, whose address is a socket's folder."""
    parts = urlsplit(url)
    socket_path = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
    proxy = CuttingProxy()

    async def take_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        proxy._calls.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _talk(proxy, socket_path, reader, writer)
        proxy._calls.discard(task)

    server = await asyncio.start_server(take_call, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    try:
        yield proxy
    finally:
        server.close()
        for call in list(proxy._calls):
            call.cancel()
        await asyncio.gather(*proxy._calls, return_exceptions=True)
        await server.wait_closed()


async def _talk(
    proxy: CuttingProxy,
    socket_path: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    far_reader, far_writer = await asyncio.open_unix_connection(socket_path)
    answered = asyncio.Event()
    answers = asyncio.create_task(_pass_answers(far_reader, writer, answered))
    try:
        await _pass_words(proxy, reader, far_writer, answered)
    finally:
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
        for each in (writer, far_writer):
            each.close()
        for each in (writer, far_writer):
            with suppress(OSError):
                await each.wait_closed()


async def _pass_words(
    proxy: CuttingProxy,
    reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
    answered: asyncio.Event,
) -> None:
    """Forwards what the program sends, until it closes the connection or the connection is cut."""
    opening = await _read_message(reader, kind=b"")
    far_writer.write(opening)
    if int.from_bytes(opening[4:8], "big") == _CANCEL_REQUEST:
        await far_writer.drain()
        return
    while True:
        message = await _read_message(reader, kind=await reader.readexactly(1))
        moment = proxy.moment_for(message)
        if moment is Moment.UNSENT:
            return
        answered.clear()
        far_writer.write(message)
        await far_writer.drain()
        if moment is Moment.UNANSWERED:
            return
        if moment is Moment.ANSWERED:
            await answered.wait()
            return


async def _pass_answers(
    far_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: asyncio.Event
) -> None:
    try:
        while True:
            message = await _read_message(far_reader, kind=await far_reader.readexactly(1))
            writer.write(message)
            await writer.drain()
            if message[:1] == _READY:
                answered.set()
    finally:
        writer.close()


async def _read_message(reader: asyncio.StreamReader, *, kind: bytes) -> bytes:
    length = await reader.readexactly(4)
    return kind + length + await reader.readexactly(int.from_bytes(length, "big") - 4)
