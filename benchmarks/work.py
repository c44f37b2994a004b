"""The real work over HTTP, beside another build: `python -m benchmarks work --against PATH`.

Each send has its own idempotency key and number, and comes from one of 200 clients. PATH is
a checkout of another build with its `.venv`. Both builds get their own database on the same
PostgreSQL, and take turns, so that a noisy machine disturbs both. CPU is that of the servers and of
PostgreSQL together. A ratio below 1 is better for CPU, above 1 for a rate.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from statistics import median

import asyncpg

from benchmarks.databases import (
    Build,
    Database,
    builds,
    cpu_seconds,
    new_database,
    peak_mib,
    server,
    with_children,
)
from benchmarks.load import ask_once, load, request
from benchmarks.measurement import Measurement
from benchmarks.tenants import tenants_of
from persistence.servers import credentials

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
    with ExitStack() as opened:
        sides = [opened.enter_context(_side(build)) for build in builds()]
        for _ in range(ROUNDS):
            for side in sides:
                for name, measure in WORKLOADS.items():
                    side.figures.setdefault(name, []).append(measure(side))
    return [each for name in WORKLOADS for each in _compared(name, sides)]


@dataclass(frozen=True, slots=True)
class Figure:
    """The figures of one run of a workload. `peak_mib`: the memory that the server took for it."""

    per_second: float
    cpu_us: float
    peak_mib: float | None = None


@dataclass(slots=True)
class Side:
    """One build: its database, its two servers, its clients' API keys, and its figures."""

    db: Database
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
        return cpu_seconds([*pids, *with_children(self.db.postgres_pid)])

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
    with new_database(build) as db:
        tokens = tenants_of(db, TENANTS, units=UNITS)
        asyncio.run(_fill_inbox(db))
        with server(db) as first, server(db) as second:
            yield Side(db, [first, second], tokens)


async def _fill_inbox(db: Database) -> None:
    # On a separate connection: this takes longer than the program waits for an answer.
    own = await asyncpg.connect(**credentials(db.url))
    for statement in FILL_INBOX:
        await own.execute(statement)
    await own.close()


def sends(tokens: Sequence[str], *, keyed: bool = True) -> Requests:
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
        make = sends(side.tokens[:tenants], keyed=keyed)
        return side.run(make, b'"__typename":"Send"', ports=ports, connections=CONNECTIONS)

    return measure


def _bulk(side: Side) -> Figure:
    """The share of one recipient in a bulkSend."""
    to = [f"+1202{2_000_000 + each}" for each in range(BULK)]
    requested = request(side.tokens[1], BULK_SEND, {"input": {"to": to, "text": "Good morning"}})
    pid, port = side.servers[0]
    peak = peak_mib(pid)
    before, began = side.cpu(), time.perf_counter()
    asyncio.run(ask_once(port, requested, b'"accepted":%d' % BULK))
    rate, cpu = BULK / (time.perf_counter() - began), (side.cpu() - before) / BULK * 1e6
    return Figure(rate, cpu, peak())


def _inbox(side: Side) -> Figure:
    requested = request(_owner(side), INBOX)
    return side.run(lambda _: requested, b'"lastMessage":{', ports=1, connections=16)


def _owner(side: Side) -> str:
    """The API key of the client that has the inbox: the only one with a conversation."""
    for token in side.tokens:
        answer = asyncio.run(
            ask_once(side.servers[0][1], request(token, INBOX), b'"data":{"inbox"')
        )
        if b'"lastMessage"' in answer:
            side.tokens = [token, *(each for each in side.tokens if each != token)]
            return token
    raise AssertionError("no client has the inbox")


WORKLOADS: dict[str, Callable[[Side], Figure]] = {
    "keyed send, one process": _send_workload(TENANTS),
    "keyed send, two processes": _send_workload(TENANTS, ports=2),
    "send without a key, one process": _send_workload(TENANTS, keyed=False),
    "keyed send, one hot account": _send_workload(1),
    "bulkSend of 100,000, a recipient": _bulk,
    "inbox page of 50": _inbox,
}


def _compared(name: str, sides: Sequence[Side]) -> list[Measurement]:
    ours, *others = [_median(side.figures[name]) for side in sides]
    found = [
        Measurement(name, ours.per_second, "a second"),
        Measurement(f"{name}: CPU", ours.cpu_us, "µs"),
    ]
    if ours.peak_mib is not None:
        found.append(Measurement(f"{name}: peak memory", ours.peak_mib, "MiB"))
    for other in others:
        found += [
            Measurement(f"{name}: rate ÷ other build", ours.per_second / other.per_second, ""),
            Measurement(f"{name}: CPU ÷ other build", ours.cpu_us / other.cpu_us, ""),
        ]
        if ours.peak_mib is not None and other.peak_mib is not None:
            found.append(
                Measurement(
                    f"{name}: peak memory ÷ other build", ours.peak_mib / other.peak_mib, ""
                )
            )
        sys.stderr.write(f"{name}: other build {other}\n")
    return found


def _median(figures: Sequence[Figure]) -> Figure:
    peaks = [each.peak_mib for each in figures if each.peak_mib is not None]
    return Figure(
        median(each.per_second for each in figures),
        median(each.cpu_us for each in figures),
        max(peaks) if peaks else None,
    )
