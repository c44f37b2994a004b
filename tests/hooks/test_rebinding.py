"""Names that resolve to internal addresses, and certificates of other names.

127.0.0.2 is opened as an internal network and used like a public address. All other addresses of
this machine stay forbidden.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from domain.hooks.addresses import AddressRules
from domain.hooks.deliveries import HookAnswer, HookRequest
from providers import guarded
from providers.guarded import GuardedClient, GuardRules
from tests.certificates import Authority

REQUEST = HookRequest({"Content-Type": "application/json"}, b'{"a":1}')
OPEN, FORBIDDEN = "127.0.0.2", "127.0.0.1"
NAME = "hooks.example.com"
NOT_PUBLIC = "The URL leads to an address that is not public."
RULES = GuardRules(AddressRules([ip_network(f"{OPEN}/32")]), deadline_seconds=10)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Names:
    """What names resolve to, instead of DNS: one answer after the other, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Sequence[str]] = []
        self.requested: list[str] = []
        self.hangs: threading.Event | None = None

    def look_up(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.requested.append(host)
        if self.hangs is not None:
            self.hangs.wait(30)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (
                socket.AF_INET if ip_address(each).version == 4 else socket.AF_INET6,
                socket.SOCK_STREAM,
                6,
                "",
                (each, port),
            )
            for each in addresses
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    found = Names()

    class FakeSocket:
        """The module `socket` as the client uses it, with another DNS."""

        getaddrinfo = staticmethod(found.look_up)

        def __getattr__(self, name: str) -> Any:
            return getattr(socket, name)

    monkeypatch.setattr(guarded, "socket", FakeSocket())
    yield found
    if found.hangs is not None:
        found.hangs.set()


class Server:
    """Counts what reaches an address. `names`: the SNI of each connection; `hosts`: each Host."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.names: list[str | None] = []
        self.hosts: list[str] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                self.hosts += [each[6:] for each in lines if each.startswith("Host: ")]
                await reader.readexactly(len(REQUEST.body))
                writer.write(OK)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    address: str, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Server]:
    """A server at an address of this machine."""
    found = Server()
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: found.names.append(name)
    server = await asyncio.start_server(found.connected, address, port, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def a_client(authority: Authority) -> AsyncIterator[GuardedClient]:
    """A client that trusts the authority, and no other."""
    client = GuardedClient(RULES, tls=authority.trusted)
    try:
        yield client
    finally:
        await client.close()


async def post(client: GuardedClient, server: Server, host: str = NAME) -> HookAnswer:
    return await client.post(f"https://{host}:{server.port}/hooks", REQUEST)


async def test_the_name_is_sent_and_checked_although_the_address_is_chosen_before(
    authority: Authority, names: Names
) -> None:
    names.answers = [[OPEN]]
    async with serving(OPEN, authority.server(NAME)) as server, a_client(authority) as client:
        for _ in range(2):
            assert (await post(client, server)).status == 200
        assert (server.names, server.connections) == ([NAME], 1)
        assert server.hosts == [f"{NAME}:{server.port}"] * 2
    assert names.requested == [NAME]


@pytest.mark.parametrize(
    ("names_of", "options", "reason"),
    [
        (["other.example.com"], {}, "The endpoint's certificate is for another name."),
        (["example.com", "*.hooks.example.com"], {}, "The endpoint's certificate is for another"),
        ([NAME], {"own": True}, "The endpoint's certificate is signed by itself."),
        ([NAME], {"days": -1}, "The endpoint's certificate has expired."),
        ([NAME], {"days": 30}, "The endpoint's certificate is not valid yet."),
    ],
)
async def test_a_certificate_for_another_name_is_refused_before_anything_is_sent(
    authority: Authority, names: Names, names_of: list[str], options: dict[str, Any], reason: str
) -> None:
    names.answers = [[OPEN]]
    tls = authority.server(*names_of, **options)
    async with serving(OPEN, tls) as server, a_client(authority) as client:
        answer = await post(client, server)
        assert server.hosts == []
    assert answer.status is None
    assert (answer.error or "").startswith(reason)


async def test_a_certificate_that_the_system_does_not_trust_is_refused(
    authority: Authority, names: Names
) -> None:
    names.answers = [[OPEN]]
    async with serving(OPEN, authority.server(NAME)) as server:
        client = GuardedClient(RULES)
        answer = await post(client, server)
        await client.close()
        assert server.hosts == []
    assert answer.error == "The endpoint's certificate is not from a known CA."


async def test_a_server_without_tls_gets_no_request(authority: Authority, names: Names) -> None:
    """It waits for the end of a request that never comes."""
    names.answers = [[OPEN]]
    client = GuardedClient(replace(RULES, deadline_seconds=0.3), tls=authority.trusted)
    async with serving(OPEN) as server:
        answer = await post(client, server)
        await client.close()
        assert server.hosts == []
    assert answer.error is not None


@pytest.mark.parametrize("later", [FORBIDDEN, "169.254.169.254", "::1", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside_after_it_was_checked_is_not_connected_to(
    authority: Authority, names: Names, later: str
) -> None:
    """DNS rebinding: the first look-up is harmless. Each client looks up the name itself."""
    names.answers = [[OPEN], [later]]
    tls = authority.server(NAME)
    async with serving(OPEN, tls) as server, serving(FORBIDDEN, tls, server.port) as inside:
        async with a_client(authority) as client:
            assert (await post(client, server)).status == 200
        async with a_client(authority) as client:
            answer = await post(client, server)
        assert (inside.connections, server.connections) == (0, 1)
    assert len(names.requested) == 2
    assert (answer.status, answer.error) == (None, NOT_PUBLIC)


async def test_of_several_addresses_only_allowed_ones_are_tried(
    authority: Authority, names: Names
) -> None:
    """The first one refuses the connection, so the client tries the next."""
    names.answers = [["127.0.0.3", FORBIDDEN, OPEN]]
    tls = authority.server(NAME)
    async with (
        serving(OPEN, tls) as server,
        serving(FORBIDDEN, tls, server.port) as inside,
        a_client(authority) as client,
    ):
        answer = await post(client, server)
        assert (inside.connections, server.connections) == (0, 1)
    assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "localhost.",
        "LOCALHOST",
        "[::]",
        "[::1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "10.0.0.1",
    ],
)
async def test_no_spelling_of_an_address_inside_is_connected_to(
    authority: Authority, host: str
) -> None:
    """With the system's own look-up, which reads decimal and octal forms."""
    client = GuardedClient(GuardRules(deadline_seconds=10), tls=authority.trusted)
    async with serving(FORBIDDEN) as server:
        answer = await post(client, server, host)
        assert server.connections == 0
    await client.close()
    assert answer.status is None
    assert answer.error in (
        NOT_PUBLIC,
        "The URL is not valid.",
        "The host's name could not be resolved.",
    )


async def test_a_look_up_that_hangs_delays_only_its_own_name(
    authority: Authority, names: Names
) -> None:
    names.answers, names.hangs = [[OPEN]], threading.Event()
    client = GuardedClient(replace(RULES, deadline_seconds=1.0), tls=authority.trusted)
    async with serving(OPEN, authority.server(NAME, "fast.example.com")) as server:
        late = await post(client, server)
        again = await post(client, server)
        hangs, names.hangs = names.hangs, None
        fast = await post(client, server, "fast.example.com")
        hangs.set()
    await client.close()
    assert late.error == again.error == "No complete answer came within 5 seconds."
    assert fast.status == 200
    assert names.requested == [NAME, "fast.example.com"]


async def test_two_ports_of_a_host_are_looked_up_at_the_same_time(
    authority: Authority, names: Names
) -> None:
    names.answers, names.hangs = [[OPEN]], threading.Event()
    client = GuardedClient(RULES, tls=authority.trusted)
    tls = authority.server(NAME)
    async with serving(OPEN, tls) as one, serving(OPEN, tls) as other:
        posting = [asyncio.create_task(post(client, each)) for each in (one, other)]
        while not names.requested:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        names.hangs.set()
        answers = await asyncio.gather(*posting)
    await client.close()
    assert [each.status for each in answers] == [200, 200]
    assert names.requested == [NAME]
