"""The real work over HTTP, beside another build: `python -m benchmarks work --against PATH`.

Each send has an idempotency key and a number of its own, and comes from one of 200 clients. PATH is
a checkout of another build with its `.venv`. Both builds get a database of their own on the same
PostgreSQL, and take turns, so that a noisy machine disturbs both. CPU is that of the servers and of
PostgreSQL together. A ratio below 1 is better for CPU, above 1 for a rate.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

import asyncpg
import orjson

from benchmarks.ground import (
    OURS,
    Build,
    Ground,
    cpu_seconds,
    ground,
    server,
    with_children,
)
from benchmarks.load import load, request
from benchmarks.measurement import Measurement
from persistence.database import credentials

CONNECTIONS = 64
SECONDS = 4.0
WARM_UP_SECONDS = 1.0
ROUNDS = 3
TENANTS = 200
UNITS = 1_000_000_000
BULK = 100_000
CONVERSATIONS = 10_000
INBOX_MESSAGES = 1_000_000

SEND = """mutation ($input: SendInput!) {
  send(input: $input) { __typename ... on Send { id charged } ... on UserError { message } } }"""
BULK_SEND = """mutation ($input: BulkSendInput!) { bulkSend(input: $input) {
  __typename ... on Send { id accepted charged } ... on UserError { message } } }"""
INBOX = """{ inbox(first: 50) { nodes {
  id number unread contact { name } lastMessage { __typename id text createdAt }
} pageInfo { hasNextPage endCursor } } }"""

ADD_TENANTS = """
import asyncio, json, sys
from benchmarks.tenants import add_tenants
print(json.dumps(asyncio.run(add_tenants(sys.argv[1], int(sys.argv[2]), units=int(sys.argv[3])))))
"""

# IDs begin with the time at which they were made (RFC 9562 §5.7): here with a number, in order.
ID = "(lpad(to_hex({}), 12, '0') || '70008000' || lpad(to_hex({}), 12, '0'))::uuid"
NUMBER = f"'+1202' || lpad((2000000 + n % {CONVERSATIONS})::text, 7, '0')"
FILL_INBOX = (
    f"""
    INSERT INTO inbound (id, client_id, feed, number, text)
    SELECT {ID.format("n", 2)}, client.id, n, {NUMBER}, 'And to you'
    FROM generate_series(1, {INBOX_MESSAGES}) AS n, (SELECT min(id::text)::uuid AS id FROM client)
         AS client
    """,
    """
    INSERT INTO conversation (id, client_id, number, unread, last_message_id, last_inbound_id)
    SELECT last.id, client_id, number, 1, last.id, last.id FROM (
        SELECT DISTINCT ON (client_id, number) client_id, number, id FROM inbound
        ORDER BY client_id, number, id DESC) AS last
    """,
    "INSERT INTO contact (id, client_id, number, name)"
    " SELECT id, client_id, number, 'Ada' FROM conversation",
    "ANALYZE",
)

Requests = Callable[[int], bytes]


def main() -> list[Measurement]:
    """Rate and CPU of each workload; with another build also its figures and the ratios."""
    against = os.environ.get("BENCH_AGAINST")
    builds = [OURS] + ([Build(Path(against).resolve())] if against else [])
    with ExitStack() as opened:
        sides = [opened.enter_context(_side(build)) for build in builds]
        for _ in range(ROUNDS):
            for side in sides:
                for name, measure in WORKLOADS.items():
                    side.figures.setdefault(name, []).append(measure(side))
    return [each for name in WORKLOADS for each in _compared(name, sides)]


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run of a workload has shown."""

    per_second: float
    cpu_us: float


@dataclass(slots=True)
class Side:
    """One build: its database, its two servers, its clients' API keys, and its figures."""

    place: Ground
    servers: Sequence[tuple[int, int]]
    tokens: Sequence[str]
    figures: dict[str, list[Figure]] = field(default_factory=dict)

    def run(self, make: Requests, expect: bytes, *, ports: int, connections: int) -> Figure:
        """The rate and the CPU of a load on the first `ports` servers."""
        chosen = [port for _, port in self.servers[:ports]]
        self._load(chosen, make, expect, connections, WARM_UP_SECONDS)
        before = self.cpu()
        done = self._load(chosen, make, expect, connections, SECONDS)
        rate, answers = done
        return Figure(rate, (self.cpu() - before) / answers * 1e6)

    def cpu(self) -> float:
        """Seconds of CPU of the servers and of PostgreSQL so far."""
        pids = [pid for pid, _ in self.servers]
        return cpu_seconds([*pids, *with_children(self.place.postgres_pid)])

    @staticmethod
    def _load(
        ports: list[int], make: Requests, expect: bytes, connections: int, seconds: float
    ) -> tuple[float, int]:
        done = asyncio.run(
            load(ports, make, connections=connections, seconds=seconds, expect=expect)
        )
        return done.per_second, done.answers


@contextmanager
def _side(build: Build) -> Iterator[Side]:
    with ground(build) as place:
        made = subprocess.run(
            [build.python, "-c", ADD_TENANTS, place.url, str(TENANTS), str(UNITS)],
            cwd=build.path,
            check=True,
            capture_output=True,
        )
        asyncio.run(_fill_inbox(place))
        with server(place) as first, server(place) as second:
            yield Side(place, [first, second], json.loads(made.stdout))


async def _fill_inbox(place: Ground) -> None:
    # On a connection of its own: this takes longer than the program waits for an answer.
    own = await asyncpg.connect(**credentials(place.url))
    for statement in FILL_INBOX:
        await own.execute(statement)
    await own.close()


def _sends(tokens: Sequence[str], *, keyed: bool = True) -> Requests:
    turn = count(random.randrange(2**40))  # keys of several runs must differ

    def make(_: int) -> bytes:
        number = next(turn)
        given: dict[str, object] = {
            "to": f"+1202{2_000_000 + number % 7_000_000}",
            "text": "Good morning",
        }
        if keyed:
            given["idempotencyKey"] = f"order-{number}"
        return request(tokens[number % len(tokens)], SEND, {"input": given})

    return make


def _send_workload(tenants: int, *, keyed: bool = True, ports: int = 1) -> Callable[[Side], Figure]:
    def measure(side: Side) -> Figure:
        make = _sends(side.tokens[:tenants], keyed=keyed)
        return side.run(make, b'"__typename":"Send"', ports=ports, connections=CONNECTIONS)

    return measure


def _bulk(side: Side) -> Figure:
    """A recipient: its share of one bulkSend."""
    to = [f"+1202{2_000_000 + each}" for each in range(BULK)]
    asked = request(side.tokens[1], BULK_SEND, {"input": {"to": to, "text": "Good morning"}})
    before, began = side.cpu(), time.perf_counter()
    asyncio.run(_ask_once(side.servers[0][1], asked, b'"accepted":%d' % BULK))
    return Figure(BULK / (time.perf_counter() - began), (side.cpu() - before) / BULK * 1e6)


async def _ask_once(port: int, asked: bytes, expect: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    answer = b""
    while expect not in answer:
        part = await reader.read(65_536)
        assert part, answer
        answer += part
    writer.close()


def _inbox(side: Side) -> Figure:
    asked = request(_owner(side), INBOX)
    return side.run(lambda _: asked, b'"lastMessage":{', ports=1, connections=16)


def _owner(side: Side) -> str:
    """The API key of the client that has the inbox: the only one with a conversation."""
    for token in side.tokens:
        answer = asyncio.run(_answer_of(side.servers[0][1], token))
        if b'"lastMessage"' in answer:
            side.tokens = [token, *(each for each in side.tokens if each != token)]
            return token
    raise AssertionError("no client has the inbox")


async def _answer_of(port: int, token: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(token, INBOX))
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    assert "errors" not in orjson.loads(body), body
    return body


WORKLOADS: dict[str, Callable[[Side], Figure]] = {
    "keyed send, one process": _send_workload(TENANTS),
    "keyed send, two processes": _send_workload(TENANTS, ports=2),
    "send without a key, one process": _send_workload(TENANTS, keyed=False),
    "keyed send, one hot account": _send_workload(1),
    "bulkSend of 100,000, a recipient": _bulk,
    "inbox page of 50": _inbox,
}


def _compared(name: str, sides: Sequence[Side]) -> list[Measurement]:
    ours, *others = [
        Figure(
            median(each.per_second for each in side.figures[name]),
            median(each.cpu_us for each in side.figures[name]),
        )
        for side in sides
    ]
    found = [
        Measurement(name, ours.per_second, "a second"),
        Measurement(f"{name}: CPU", ours.cpu_us, "µs"),
    ]
    for other in others:
        found += [
            Measurement(f"{name}: rate ÷ other build", ours.per_second / other.per_second, ""),
            Measurement(f"{name}: CPU ÷ other build", ours.cpu_us / other.cpu_us, ""),
        ]
        sys.stderr.write(f"{name}: other build {other.per_second:.0f}/s, {other.cpu_us:.1f} µs\n")
    return found
