"""Live updates with two server processes and stock clients, and with every connection cut."""

from __future__ import annotations

import asyncio
import itertools
import json
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from ibiki.local import embedded
from tests import databases
from tests.end_to_end.program import (
    SIGN_IN,
    STOP_SECONDS,
    Api,
    Program,
    clean_environment,
    copy_of,
    eventually,
    signed_in,
    up,
)
from tests.ports import free_port

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

NODE = Path(__file__).parent / "node"
BALANCE = "subscription { balanceUpdated { version account { balance } } }"
SEND = """mutation {
  send(input: {to: "+12025550100", text: "Hello"}) { __typename ... on Send { id } }
}"""
NUMBERS = itertools.count()
INBOUND = "subscription ($since: ID) { inboundMessage(since: $since) { id text } }"
SET_ROUTE = """mutation ($client: ID!) {
  setModemRoute(input: {clientId: $client, modem: "m1", port: "1"}) { __typename }
}"""
SIGN_OUT = "mutation ($token: String!) { signOut(input: {refreshToken: $token}) }"
HINTED_SECONDS = 20.0
"""Long enough for a slow machine, and for a look at what was not hinted at."""


class SecondServer:
    """A second server process on the same database. It keeps its port."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "ibiki", "serve", "--data", str(directory)]
        self._environment = clean_environment() | {"LOOPBACK_ONLY": "true"} | environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        eventually(self._answers)

    def stop(self, *, kill: bool = False) -> None:
        """Ctrl-C, or kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.kill() if kill else process.terminate()
            process.wait(STOP_SECONDS)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz", timeout=10).status_code == 200
        except httpx.TransportError:
            return False


class Person:
    """A user with one session for each process."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.token_file = program.directory / "token"
        self.sign_in()

    def sign_in(self) -> None:
        """Writes a new token to the file that the clients read."""
        api = Api(self._program.address)
        query = SIGN_IN.replace("accessToken", "accessToken refreshToken")
        given = {"email": "client@ibiki.test", "password": self._program.password}
        self.session = api.ask(query, input=given)["signIn"]
        api.close()
        self.token_file.write_text(self.session["accessToken"])

    def sign_out(self) -> None:
        """Ends the session in every process."""
        api = Api(self._program.address)
        assert api.ask(SIGN_OUT, token=self.session["refreshToken"])["signOut"]
        api.close()

    def send(self, address: str) -> None:
        """Sends one message through this server."""
        api = Api(address, self.session["accessToken"])
        assert api.ask(SEND)["send"]["__typename"] == "Send"
        api.close()


class Watcher:
    """A stock client in a separate process, and the events that it receives."""

    def __init__(self, kind: str, address: str, token_file: Path, query: str = BALANCE) -> None:
        self._process = subprocess.Popen(
            ["node", "watch.mjs", kind, address, str(token_file), query],
            cwd=NODE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.last = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def arrived(self, what: str, seconds: float = 60.0) -> Any:
        """The next line of this kind."""
        until = time.monotonic() + seconds
        while True:
            line = self._lines.get(timeout=max(0.01, until - time.monotonic()))
            assert "failed" not in line, line
            if what in line:
                return line[what]

    def balance(self, seconds: float = 60.0) -> int:
        """The next balance that it receives."""
        delivered = self.arrived("next", seconds)
        assert not delivered.get("errors"), delivered
        return int(delivered["data"]["balanceUpdated"]["account"]["balance"])

    def inbound(self, seconds: float = 60.0) -> int:
        """The number in the text of the next message."""
        delivered = self.arrived("next", seconds)
        assert not delivered.get("errors"), delivered
        return int(delivered["data"]["inboundMessage"]["text"])

    def receives(self, balance: int, seconds: float = 60.0) -> None:
        """Waits until it receives that balance. Fails if a higher one comes later."""
        until = time.monotonic() + seconds
        while (delivered := self.balance(until - time.monotonic())) != balance:
            assert delivered > balance

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="module")
def clients() -> None:
    """Skips the tests if a tool that they need is missing."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: .ci/run installs it")
    if not (NODE / "node_modules").exists():
        pytest.skip("the stock clients are not installed: `make clients` installs them")


class TwoServers:
    """Two servers on one database, and a client's user."""

    def __init__(self, program: Program, second: SecondServer) -> None:
        self.program = program
        self.second = second
        self.person = Person(program)

    @property
    def addresses(self) -> tuple[str, str]:
        """The addresses of both."""
        return self.program.address, self.second.address

    @contextmanager
    def watchers(self, *kinds: str) -> Iterator[list[Watcher]]:
        """One client of each kind for each server. Each has received the present state."""
        with ExitStack() as stack:
            made = []
            for kind in kinds:
                for address in self.addresses:
                    watcher = Watcher(kind, address, self.person.token_file)
                    stack.callback(watcher.close)
                    made.append(watcher)
            for watcher in made:
                watcher.last = watcher.balance()
            yield made


@contextmanager
def two_servers(directory: Path, **environment: str) -> Iterator[TwoServers]:
    """Both processes, for as long as the block lasts."""
    with up(directory, **environment) as program:
        assert program.address
        second = SecondServer(directory, **environment)
        second.start()
        try:
            yield TwoServers(program, second)
        finally:
            second.stop()


@pytest.fixture(scope="module")
def two(clients: None, installation: Path) -> Iterator[TwoServers]:
    with copy_of(installation) as directory, two_servers(directory) as made:
        yield made


def last_of(watchers: list[Watcher]) -> int:
    """Waits until all have received the same balance. Returns it."""
    [last] = {watcher.last for watcher in watchers}
    return last


@pytest.mark.parametrize("kind", ["graphql-ws", "graphql-sse", "apollo", "urql"])
def test_stock_clients_receive_changes_of_every_server(two: TwoServers, kind: str) -> None:
    with two.watchers(kind) as watchers:
        balance = last_of(watchers)
        for address in two.addresses:
            balance -= 1
            two.person.send(address)
            for watcher in watchers:
                watcher.receives(balance, HINTED_SECONDS)


def test_connections_to_the_database_may_be_cut(two: TwoServers) -> None:
    with two.watchers("graphql-ws") as watchers:
        balance = last_of(watchers)
        for _ in range(3):
            with embedded.start(two.program.directory) as database:
                asyncio.run(databases.execute(database.superuser_url, CUT))
            balance -= 1
            eventually(lambda: _sent(two))
            for watcher in watchers:
                watcher.receives(balance, 2 * HINTED_SECONDS)


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ibiki'"


def _sent(two: TwoServers) -> bool:
    """Whether a send was accepted. There may be no connection for a moment."""
    try:
        two.person.send(two.program.address)
    except AssertionError:
        return False
    return True


def test_a_server_may_be_stopped_or_killed_and_clients_return(two: TwoServers) -> None:
    with two.watchers("graphql-ws") as watchers:
        balance, returning = last_of(watchers), watchers[1]
        for kill, code in ((False, 1012), (True, 1006)):
            two.second.stop(kill=kill)
            assert returning.arrived("closed") == code
            balance -= 1
            two.person.send(two.program.address)  # while it is unavailable
            two.second.start()
            returning.receives(balance)
            watchers[0].receives(balance)


def test_a_client_whose_session_ends_returns_with_a_fresh_token(two: TwoServers) -> None:
    with two.watchers("graphql-ws") as watchers:
        two.person.sign_out()
        for watcher in watchers:
            assert watcher.arrived("closed") == 4403
        two.person.sign_in()
        for watcher in watchers:
            watcher.balance()


@pytest.mark.parametrize("kind", ["graphql-ws", "apollo", "urql"])
def test_a_reader_of_a_feed_resumes_by_its_own_variable(two: TwoServers, kind: str) -> None:
    _own_a_line(two)
    watcher = Watcher(kind, two.second.address, two.person.token_file, INBOUND)
    with closing(watcher):
        watcher.arrived("connected")
        arrived: list[int] = []
        while not arrived:
            _phone(two, next(NUMBERS))
            with suppress(queue.Empty):
                arrived.append(watcher.inbound(0.5))
        for kill in (True, False):
            two.second.stop(kill=kill)
            for _ in range(7):
                _phone(two, next(NUMBERS))  # while it is unavailable
            two.second.start()
            _phone(two, next(NUMBERS))
        with embedded.start(two.program.directory) as database:
            asyncio.run(databases.execute(database.superuser_url, CUT))
        last = next(NUMBERS)
        eventually(lambda: _phone(two, last))
        while arrived[-1] != last:
            arrived.append(watcher.inbound())
    assert arrived == list(range(arrived[0], last + 1))


def _own_a_line(two: TwoServers) -> None:
    """Sets a route: messages that arrive through a line are for the client."""
    with signed_in(two.program, "admin@ibiki.test") as admin:
        clients = admin.ask("{ clients { nodes { id name } } }")["clients"]["nodes"]
        admin.ask(
            SET_ROUTE, client=next(each["id"] for each in clients if each["name"] == "Client")
        )


def _phone(two: TwoServers, number: int) -> bool:
    """Whether a message to the client with this number as its text was accepted."""
    body = {
        "from": "+12025550177",
        "message": f"{number}",
        "messageId": f"resumed {number}",
        "usedmodem": "m1",
        "port": "1",
    }
    answer = httpx.post(f"{two.program.address}/api/webhook/extreme", json=body, timeout=60)
    return answer.status_code == 200


@pytest.mark.usefixtures("clients")
def test_redis_may_be_killed_and_started_again(installation: Path) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: .ci/run installs it")
    port = free_port()
    with ExitStack() as stack:
        redis = _redis(port)
        stack.callback(lambda: redis.kill())
        directory = stack.enter_context(copy_of(installation))
        two = stack.enter_context(two_servers(directory, REDIS_URL=f"redis://127.0.0.1:{port}/0"))
        watchers = stack.enter_context(two.watchers("graphql-ws"))
        balance = last_of(watchers) - 1
        two.person.send(two.second.address)
        for watcher in watchers:
            watcher.receives(balance, HINTED_SECONDS)
        redis.kill()
        redis.wait()
        balance -= 1
        two.person.send(two.second.address)
        for watcher in watchers:
            watcher.receives(balance, HINTED_SECONDS)  # by looking: no hint can come
        redis = _redis(port)
        balance -= 1
        two.person.send(two.program.address)
        for watcher in watchers:
            watcher.receives(balance, HINTED_SECONDS)
        redis.kill()
        redis.wait()


def _redis(port: int) -> subprocess.Popen[bytes]:
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
    eventually(lambda: _listens(port))
    return process


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
