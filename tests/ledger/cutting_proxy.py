"""A connection to PostgreSQL that can be cut at a chosen statement: see tests/faults/triggers.py.

The answer to a `P` message does not end with "ready", so the connection can be cut before that
answer, but not after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.faults.proxy import ConnectionCut, FaultProxy, Interceptor, proxying
from tests.faults.triggers import Messages

_READY = b"Z\0\0\0\5"


class Moment(StrEnum):
    """How far a statement gets before the connection is cut."""

    UNSENT = "UNSENT"
    UNANSWERED = "UNANSWERED"
    ANSWERED = "ANSWERED"


@dataclass
class CuttingProxy:
    """Its address, and where to cut the connection."""

    line: FaultProxy = field(init=False)
    url: str = ""
    cuts: int = 0
    _cuts_due: list[tuple[bytes, Moment]] = field(default_factory=list)

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


class _CutConnection(Interceptor):
    """Cuts one connection when it is due."""

    def __init__(self, proxy: CuttingProxy) -> None:
        self._proxy = proxy
        self._messages = Messages()
        self._ends_when_ready = False

    async def up(self, chunk: bytes) -> bytes:
        passed = b""
        for message in self._messages.of(chunk):
            moment = self._proxy.moment_for(message)
            if moment is Moment.UNSENT:
                raise ConnectionCut(passed)
            passed += message
            if moment is Moment.UNANSWERED:
                raise ConnectionCut(passed)
            self._ends_when_ready |= moment is Moment.ANSWERED
        return passed

    async def down(self, chunk: bytes) -> bytes:
        if self._ends_when_ready and chunk[-6:-1] == _READY:
            raise ConnectionCut(chunk)
        return chunk


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[CuttingProxy]:
    """A proxy to the database of a test, whose address is a socket's folder."""
    parts = urlsplit(url)
    far_end = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    proxy = CuttingProxy()
    async with proxying(far_end, interceptor=lambda: _CutConnection(proxy)) as opened:
        proxy.line = opened
        proxy.url = f"postgresql://{parts.username}@127.0.0.1:{opened.port}{parts.path}"
        proxy.url += "?sslmode=disable"
        yield proxy
