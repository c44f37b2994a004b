"""One HTTP request to a provider, its result, and what all adapters have in common.

    Exchange
    ├── Answer    a complete response was read
    ├── NotSent   no byte of the request left this machine
    └── Unknown   anything else: the provider may have accepted the messages

The meaning of aiohttp's exceptions was read in aiohttp 3.14 and tried on loopback sockets. They do
not say whether a deadline passed before or after the connection was made. So a trace marks the
connection: an error before it is NotSent, an error after it is Unknown.

Each call uses a new connection unless `reuse_seconds` is set. If the provider or a firewall has
dropped a kept connection, only a write reveals it, and then the outcome is unknown; a new
connection would have been refused, which is a certain outcome. Also, if a response comes twice on
a kept connection, the second one would be read as the response to the next request.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final, Protocol

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from domain.errors import UNREACHABLE, ProviderUnavailable
from domain.hooks.addresses import is_this_machine
from domain.provider import NotSent, Outcome, OutgoingMessage, Unknown
from providers.replies import is_page

LARGEST_ANSWER_BYTES: Final = 1024 * 1024
LARGEST_HEADER_BYTES: Final = 16 * 1024
"""Of one header: as much as Node.js takes. With aiohttp's own limit of 8,190, a longer one is an
answer that cannot be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response. The names of its headers are compared without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Exchange = Answer | NotSent | Unknown


def unavailable(exchange: Exchange, reason: str = UNREACHABLE) -> ProviderUnavailable:
    """The error of a query that got no usable answer. Only an operator reads why."""
    if not isinstance(exchange, Answer):
        why = exchange.reason
    elif is_page(exchange.body):
        why = f"A page came instead of an answer (status {exchange.status}): check the address."
    elif 200 <= exchange.status < 300:
        why = f"Its answer (status {exchange.status}) could not be read."
    else:
        why = f"It answered with status {exchange.status}."
    return ProviderUnavailable(
        reason, for_operator=f"No usable answer came from the provider. {why}"
    )


class Transport(Protocol):
    """Makes the requests of an adapter. It does not retry and does not follow redirects."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Exchange:
        """Makes one request. Never raises because of what the provider does."""

    async def close(self) -> None:
        """Closes all connections."""


class Adapter:
    """What all adapters have: the transport of one provider account."""

    _transport: Transport

    async def close(self) -> None:
        """Closes all connections."""
        await self._transport.close()


class OneByOne(Adapter, ABC):
    """An adapter for a provider that takes one message in each call."""

    largest_batch = 1

    @abstractmethod
    async def send(self, message: OutgoingMessage) -> Outcome:
        """See `domain.provider.Provider`."""

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """The outcome of a batch of one. Raises ValueError for more."""
        if len(messages) > self.largest_batch:
            raise ValueError("Only one message fits into one call.")
        return [await self.send(message) for message in messages]


class HttpTransport:
    """A transport over aiohttp, with separate connections for one provider account."""

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
        """Does not connect yet. Raises ValueError if the address is not usable.

        `deadline_seconds`: for the whole request. `connect_seconds`: for the connection.
        `connections`: how many may be open at once. `reuse_seconds`: how long an idle connection
        is kept; 0 means a new one for each call. `loopback_only`: allow only this machine (tests).
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
        call = _Call(self._base_url + path, dict(headers), body)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._exchange(method, call)
        # aiohttp wraps the last of these, except in its pure-Python parser.
        except (TimeoutError, OSError, aiohttp.ClientError, HttpProcessingError) as error:
            reason = _reason(error)
        # After the except clause: the error, which contains the address, must not be its context.
        return Unknown(reason) if call.connected else NotSent(reason)

    async def close(self) -> None:
        """Closes all connections. The transport can be used again."""
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
                    return Unknown("The response was too large.")
            return Answer(response.status, response.headers, bytes(answer_bytes))

    def _open_session(self) -> aiohttp.ClientSession:
        """The session. Created on first use, because it belongs to the running event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                # With the default threshold, aiohttp rounds a wait up to a whole second.
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=self._connect_seconds,
                    ceil_threshold=self._connect_seconds + 1,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                middlewares=(_without_retry,),
                max_field_size=LARGEST_HEADER_BYTES,
                trace_configs=[_connection_trace()],
            )
        return self._session

    def _connector(self) -> aiohttp.TCPConnector:
        if self._reuse_seconds > 0:
            return aiohttp.TCPConnector(
                limit=self._connections, keepalive_timeout=self._reuse_seconds
            )
        return aiohttp.TCPConnector(limit=self._connections, force_close=True)


def checked_base_url(base_url: str, *, loopback_only: bool) -> str:
    """The address without a slash at its end. Raises ValueError if it is not usable."""
    try:
        url = URL(base_url)
    except ValueError:
        raise ValueError("The provider's address is not a valid URL.") from None
    if url.scheme not in ("http", "https") or not url.host or url.query_string or url.fragment:
        raise ValueError("The provider's address must have the form https://host[:port][/path].")
    if url.user is not None or url.password is not None:
        raise ValueError("The provider's address must not contain a user name or a password.")
    if loopback_only and not is_this_machine(url.host):
        raise ValueError("Only providers on this machine may be called here.")
    return str(url).rstrip("/")


@dataclass(slots=True)
class _Call:
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    connected: bool = False


class _Broken(aiohttp.ClientError):
    """The connection broke. Replaces the errors after which aiohttp would retry."""


async def _without_retry(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Prevents the retry of idempotent methods on a dead kept-alive connection.

    aiohttp retries only on these two errors, and has no public option to turn it off.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken from error


def _connection_trace() -> aiohttp.TraceConfig:
    """Marks a call as connected before its first byte is sent."""

    async def connected(
        session: aiohttp.ClientSession, context: SimpleNamespace, params: object
    ) -> None:
        context.trace_request_ctx.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace


_CERTIFICATE_FAULTS: Final = {
    9: "is not valid yet",
    10: "has expired",
    18: "is signed by itself",
    19: "is not from a known CA",
    20: "is not from a known CA",
    21: "is not from a known CA",
    62: "is for another name",
    64: "is for another address",
}
"""By OpenSSL's X509_V_ERR codes."""


def connection_fault(error: Exception, *, owner: str) -> str | None:
    """Why no connection was made, without the host's name. None if the error says something else.

    `owner`: of the certificate.
    """
    match error:
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return "The host's name could not be resolved."
        case aiohttp.ClientConnectorCertificateError(certificate_error=refused):
            code = getattr(refused, "verify_code", 0)
            return f"The {owner}'s certificate {_CERTIFICATE_FAULTS.get(code, 'is not trusted')}."
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "No secure connection could be made."
        case aiohttp.ClientConnectorError(errno=errno.ECONNREFUSED):
            return "The connection was refused."
        case aiohttp.ClientConnectorError():
            why = f": {os.strerror(error.errno)}" if error.errno else ""
            return f"No connection could be made{why}."
    return None


def _reason(error: Exception) -> str:
    """The reason in a sentence. It contains neither the host nor any part of the request."""
    if (fault := connection_fault(error, owner="host")) is not None:
        return fault
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "No connection was made in time."
        case TimeoutError():
            return "No complete response came before the deadline."
        case _Broken():
            return "The connection broke before there was a response."
        case aiohttp.ClientPayloadError():
            return "The connection broke in the middle of the response."
    return "The response could not be read."
