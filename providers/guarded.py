"""Posts to URLs that clients choose, and only to public addresses.

Each address is checked when its socket is made, after the name was resolved. A check of the URL
alone would not be enough, because the name may resolve differently a moment later (DNS rebinding).
Redirects are not followed, proxies of the environment are not used, and cookies are not kept.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError
from yarl import URL

from domain.hooks.addresses import AddressRules
from domain.hooks.deliveries import HookAnswer, HookRequest
from providers.replies import retry_after_seconds
from providers.transport import LARGEST_HEADER_BYTES, connection_fault

MOST_ANSWER_BYTES: Final = 64 * 1024
STATUS_BYTES: Final = 13
STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r\n]")
"""The beginning of an answer (RFC 9112 §4)."""

REDIRECTS: Final = (301, 302, 303, 307, 308)

IDLE: Final = "was_idle"
"""Attribute of an error: the connection had answered before, and ended without a byte."""

_Address: TypeAlias = tuple[int, int, Any]
"""Family, protocol and address of a host."""

NAME_THREADS: Final = 32
"""Threads that look up names. A name whose look-up hangs keeps one, until the system gives up."""


@dataclass(frozen=True, slots=True)
class GuardRules:
    """Which addresses may be posted to, and how long a post may take."""

    addresses: AddressRules = field(default_factory=AddressRules)
    deadline_seconds: float = 5
    connections: int = 500


class AddressRefused(OSError):
    """The address is not public."""


class GuardedClient:
    """Implements the port `domain.hooks.ports.HookSender`.

    `tls`: the certificates that are trusted; None for those of the system.
    """

    def __init__(
        self, rules: GuardRules | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._rules = rules or GuardRules()
        self._tls = tls
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._names: _Names | None = None

    async def post(self, url: str, request: HookRequest) -> HookAnswer:
        """Posts. The deadline covers everything, from the name to the last byte."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            parsed = URL(url, encoded=True)
            if not self._rules.addresses.allows_scheme(parsed.scheme, parsed.host):
                raise AddressRefused("Only https URLs are posted to.")
            async with asyncio.timeout(self._rules.deadline_seconds):
                answer = await self._answered(parsed, request)
        except aiohttp.ClientResponseError as why:
            answer = _answer(why.status, "") if why.status else HookAnswer(None, error=_reason(why))
        except (TimeoutError, OSError, ValueError, aiohttp.ClientError, HttpProcessingError) as why:
            answer = HookAnswer(None, error=_reason(why))
        return HookAnswer(
            answer.status,
            answer.body,
            answer.error,
            loop.time() - started,
            answer.retry_after_seconds,
        )

    async def close(self) -> None:
        """Closes all connections."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()
        names, self._names = self._names, None
        if names is not None:
            await names.close()

    async def _answered(self, url: URL, request: HookRequest) -> HookAnswer:
        """The answer. A request on an idle connection that the receiver has closed is repeated.

        The receiver knows a delivery by its ID, so it may come twice (RFC 9110 §9.2.2). It is
        repeated once, on a new connection: perhaps it is what makes the receiver close them.
        """
        try:
            return await self._exchange(url, request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as why:
            if not getattr(why, IDLE, False):
                raise
        return await self._exchange(url, request, is_new=True)

    async def _exchange(
        self, url: URL, request: HookRequest, *, is_new: bool = False
    ) -> HookAnswer:
        async with self._open_session(is_new=is_new).post(
            url,
            data=request.body,
            headers={"Accept-Encoding": "identity", "User-Agent": "Webhooks/1", **request.headers},
            allow_redirects=False,
        ) as response:
            busy = response.status in (429, 503)
            wait = retry_after_seconds(response.headers) if busy else None
            return _answer(response.status, await _beginning(response), wait)

    def _open_session(self, *, is_new: bool) -> aiohttp.ClientSession:
        """Created on first use, because it belongs to the running event loop.

        `is_new`: the session whose requests have a new connection each.
        """
        if self._names is None:
            self._names = _Names()
        if is_new not in self._sessions:
            # Node.js closes idle connections after 5 seconds.
            kept: dict[str, Any] = {"force_close": True} if is_new else {"keepalive_timeout": 4}
            self._sessions[is_new] = aiohttp.ClientSession(
                connector=_Connector(
                    **kept,
                    limit=self._rules.connections,
                    resolver=self._names,
                    ttl_dns_cache=30,
                    socket_factory=self._checked_socket,
                    # True: certificates that the system trusts. The name is checked and sent (SNI).
                    ssl=self._tls or True,
                ),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                max_field_size=LARGEST_HEADER_BYTES,
            )
        return self._sessions[is_new]

    def _checked_socket(self, info: Any) -> socket.socket:
        """A socket for an address that may be connected to. Raises AddressRefused."""
        family, kind, protocol, _, address = info
        if not self._rules.addresses.allows(str(address[0])):
            raise AddressRefused("The URL leads to an address that is not public.")
        made = socket.socket(family=family, type=kind, proto=protocol)
        made.setblocking(False)
        return made


class _Connector(aiohttp.TCPConnector):
    """Its connections read answers by `_Answers`. aiohttp has no public option for this."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        made_by: type[ResponseHandler] = _Answers
        self._factory = partial(made_by, loop=self._loop)


class _Answers(ResponseHandler):
    """The answers of one connection. If one is not valid HTTP, its error has the status that it
    begins with, or 0: some receivers send a 204 with a body, or more bytes than they declare.

    If a connection that has answered before ends without a byte, its error has IDLE.
    """

    _begun = b""
    _requests = 0

    def set_response_params(self, **params: Any) -> None:
        self._begun = b""
        self._requests += 1
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        if len(self._begun) < STATUS_BYTES:
            self._begun = (self._begun + data)[:STATUS_BYTES]
        super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        head = data[0]
        if head.code == 204 and (head.chunked or head.headers.get("Content-Length", "0") != "0"):
            self.force_close()  # the body may still come, and is no part of the next answer
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        if isinstance(exc, HttpProcessingError):
            found = STATUS.match(self._begun)
            exc.code = int(found[1]) if found else 0
        elif self._requests > 1 and not self._begun:
            setattr(exc, IDLE, True)
        super().set_exception(exc, *cause)


class _Names(AbstractResolver):
    """Looks up names in separate threads: one that hangs delays no other part of the program."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(NAME_THREADS, thread_name_prefix="hook-names")
        self._looking: dict[str, asyncio.Future[Sequence[_Address]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host. Posts to it at the same time share one look-up.

        Raises OSError.
        """
        looking = self._looking.get(host)
        if looking is None:
            looking = asyncio.get_running_loop().run_in_executor(
                self._threads, _addresses, host, port, family
            )
            self._looking[host] = looking
            looking.add_done_callback(lambda _: self._looking.pop(host))
        # The thread cannot be cancelled, so it must not seem to have ended.
        found = await asyncio.shield(looking)
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, protocol, address in found
        ]

    async def close(self) -> None:
        """Ends without waiting for look-ups that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int, family: int) -> Sequence[_Address]:
    found = socket.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [(kind, protocol, address) for kind, _, protocol, _, address in found]


def _answer(status: int, body: str, wait: float | None = None) -> HookAnswer:
    error = None
    if status in REDIRECTS:
        error = "The endpoint redirects. Redirects are not followed: register the new URL."
    elif not 200 <= status < 300:
        error = f"The endpoint answered {status}."
    return HookAnswer(status, body, error, retry_after_seconds=wait)


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The beginning of the body. A longer one is not read: then the connection is closed."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_ANSWER_BYTES:
            response.close()
            break
    return bytes(body[:4096]).decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    """What went wrong, as a sentence for the owner of the endpoint."""
    match error:
        case AddressRefused():
            return str(error)
        case aiohttp.ClientConnectorError(os_error=AddressRefused() as refused):
            return str(refused)
    if (fault := connection_fault(error, owner="endpoint")) is not None:
        return fault
    match error:
        case TimeoutError():
            return "No complete answer came within 5 seconds."
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "The connection broke before the answer was complete."
        case aiohttp.InvalidURL() | ValueError():
            return "The URL is not valid."
    return "The answer could not be read."
