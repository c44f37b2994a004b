"""One HTTP request to a provider, and what became of it: the seam under every adapter.

    Exchange
    ├── Answer         a whole answer was read
    ├── NotConnected   no byte of the request can have left this machine
    └── Lost           anything else: the provider may have taken what was sent

What aiohttp's exceptions mean was read in aiohttp 3.14 and tried on loopback sockets. They do not
tell a deadline that ran out before the connection stood from one that ran out after it, so the
connection itself is watched: before it is there the answer is NotConnected, from then on Lost.

Each call has a connection of its own unless `reuse_seconds` says otherwise. A kept connection that
the far end (or a firewall on the way) has dropped is found out only by writing to it, and then the
outcome is unknown where a new connection would have been refused for certain; and an answer that
comes twice would be read as the answer to the next request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final, Protocol

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

LARGEST_ANSWER_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. The names of its headers are compared without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NotConnected:
    """The connection was never made: the request was certainly not sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Something may have been sent and no readable answer came back."""

    reason: str


Exchange = Answer | NotConnected | Lost


class Transport(Protocol):
    """How an adapter reaches its provider: one request, no retry, no redirect."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Exchange:
        """What became of one request. Never raises for anything that the far end does."""
        ...

    async def close(self) -> None:
        """Lets go of the connections."""
        ...


class HttpTransport:
    """The real transport: connections of its own for one provider account."""

    def __init__(
        self,
        base_url: str,
        *,
        deadline_seconds: float,
        connect_seconds: float,
        connections: int,
        reuse_seconds: float = 0,
        loopback_only: bool = False,
    ) -> None:
        """Raises ValueError for an address that cannot be used; nothing is connected yet.

        `deadline_seconds` bounds the whole request, `connect_seconds` the wait for a connection,
        `connections` how many are open at once. A connection is kept `reuse_seconds` for the next
        call, 0 for a new one each. `loopback_only` refuses every host but this machine: tests set
        it.
        """
        self._base_url = checked_base_url(base_url, loopback_only=loopback_only)
        self._deadline_seconds = deadline_seconds
        self._connect_seconds = connect_seconds
        self._connections = connections
        self._reuse_seconds = reuse_seconds
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Exchange:
        """What became of one request, within the deadline."""
        call = _Call(self._base_url + path, dict(headers), body)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._exchange(method, call)
        # aiohttp wraps the last of these unless its parser is the one written in Python.
        except (TimeoutError, OSError, aiohttp.ClientError, HttpProcessingError) as error:
            reason = _reason(error)
        # Outside of the except clause: an address and what is in it must not travel in a context.
        return Lost(reason) if call.connected else NotConnected(reason)

    async def close(self) -> None:
        """Lets go of the connections; the transport can be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchange(self, method: str, call: _Call) -> Exchange:
        async with self._open_session().request(
            method,
            URL(call.url, encoded=True),
            headers={"Accept-Encoding": "identity", **call.headers},
            data=call.body,
            allow_redirects=False,
            trace_request_ctx=call,
        ) as response:
            answer_bytes = bytearray()
            async for chunk in response.content.iter_any():
                answer_bytes += chunk
                if len(answer_bytes) > LARGEST_ANSWER_BYTES:
                    return Lost("The answer was too large to be read.")
            return Answer(response.status, response.headers, bytes(answer_bytes))

    def _open_session(self) -> aiohttp.ClientSession:
        """The session, made on first use: it belongs to the running event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                # The threshold keeps aiohttp from rounding a wait up to a whole second.
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=self._connect_seconds,
                    ceil_threshold=self._connect_seconds + 1,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                middlewares=(_never_twice,),
                trace_configs=[_watch_connection()],
            )
        return self._session

    def _connector(self) -> aiohttp.TCPConnector:
        if self._reuse_seconds > 0:
            return aiohttp.TCPConnector(
                limit=self._connections, keepalive_timeout=self._reuse_seconds
            )
        return aiohttp.TCPConnector(limit=self._connections, force_close=True)


def checked_base_url(base_url: str, *, loopback_only: bool) -> str:
    """The address without a slash at its end. Raises ValueError where it cannot be used."""
    try:
        url = URL(base_url)
    except ValueError:
        raise ValueError("The provider's address cannot be read.") from None
    if url.scheme not in ("http", "https") or not url.host or url.query_string or url.fragment:
        raise ValueError("The provider's address has the form https://host[:port][/path].")
    if url.user is not None or url.password is not None:
        raise ValueError("The provider's address must not hold a name or a password.")
    if loopback_only and not is_loopback(url.host):
        raise ValueError("Only providers on this machine may be called here.")
    return str(url).rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its name or number. Nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(slots=True)
class _Call:
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    connected: bool = False


class _Broken(aiohttp.ClientError):
    """The line broke: raised in place of the errors after which aiohttp would ask once more."""


async def _never_twice(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keeps aiohttp from repeating GET and its like when a kept-alive connection turns out dead.

    It repeats on these two errors alone; the switch for it is private.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken from error


def _watch_connection() -> aiohttp.TraceConfig:
    """Marks a call as connected before its first byte can leave."""

    async def connected(
        session: aiohttp.ClientSession, context: SimpleNamespace, params: object
    ) -> None:
        context.trace_request_ctx.connected = True

    watch = aiohttp.TraceConfig()
    watch.on_connection_create_end.append(connected)
    watch.on_connection_reuseconn.append(connected)
    return watch


def _reason(error: Exception) -> str:
    """What went wrong, in words that name no host and hold nothing of the request."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "The host's name could not be resolved."
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "No secure connection could be made."
        case aiohttp.ConnectionTimeoutError():
            return "No connection was made in time."
        case aiohttp.ClientConnectorError() | socket.gaierror():
            return "The connection was refused."
        case TimeoutError():
            return "The deadline passed before there was a whole answer."
        case _Broken():
            return "The line broke before there was an answer."
        case aiohttp.ClientPayloadError():
            return "The line broke in the middle of the answer."
    return "The answer could not be read."
