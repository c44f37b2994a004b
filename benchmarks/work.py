"""The real work over HTTP, beside another build: `python -m benchmarks work --against PATH`.

Each send has its own idempotency key and number, and comes from one of 200 clients. PATH is
a checkout of another build with its `.venv`. Both builds get their own database on the same
PostgreSQL, and take turns, so that a noisy machine disturbs both. CPU is that of the servers and of
PostgreSQL together. A ratio below 1 is better for CPU, above 1 for a rate.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from benchmarks.databases import (
    Build,
    Database,
    builds,
    new_database,
    own_connection,
    peak_mib,
    server,
)
from benchmarks.load import ask_once, measured, request
from benchmarks.measurement import Measurement, compared
from benchmarks.send import BULK_SEND, SEND
from benchmarks.tenants import tenants_of

CONNECTIONS = 64
SECONDS = 4.0
WARM_UP_SECONDS = 1.0
TENANTS = 200
UNITS = 1_000_000_000
BULK = 100_000
CONVERSATIONS = 10_000
INBOX_MESSAGES = 1_000_000

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
    """Rate and CPU of each workload; with another build also the ratios."""
    with ExitStack() as opened:
        sides = [opened.enter_context(_side(build)) for build in builds()]
        return compared(sides, _measured)


@dataclass(slots=True)
class Side:
    """One build: its database, its two servers, and its clients' API keys."""

    db: Database
    servers: Sequence[tuple[int, int]]
    tokens: Sequence[str] = field(repr=False)

    def cpu(self) -> float:
        """Seconds of CPU of the servers and of PostgreSQL so far."""
        return self.db.cpu(*(pid for pid, _ in self.servers))

    def ports(self, count: int) -> list[int]:
        """Those of the first servers."""
        return [port for _, port in self.servers[:count]]


@contextmanager
def _side(build: Build) -> Iterator[Side]:
    with new_database(build) as db:
        tokens = tenants_of(db, TENANTS, units=UNITS)
        asyncio.run(_fill_inbox(db))
        with server(db) as first, server(db) as second:
            yield Side(db, [first, second], tokens)


async def _fill_inbox(db: Database) -> None:
    async with own_connection(db.url) as connection:
        for statement in FILL_INBOX:
            await connection.execute(statement)


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


def _measured(side: Side) -> list[Measurement]:
    sends_to = partial(_sends, side)
    return [
        *sends_to("keyed send, one process"),
        *sends_to("keyed send, two processes", ports=2),
        *sends_to("send without a key, one process", keyed=False),
        *sends_to("keyed send, one hot account", tenants=1),
        *_bulk(side),
        *_inbox(side),
    ]


def _sends(
    side: Side, name: str, *, tenants: int = TENANTS, keyed: bool = True, ports: int = 1
) -> list[Measurement]:
    make = sends(side.tokens[:tenants], keyed=keyed)
    return loaded(name, side.cpu, side.ports(ports), make)


def _bulk(side: Side) -> list[Measurement]:
    """The share of one recipient in a bulkSend, and the memory that the server takes for it."""
    to = [f"+1202{2_000_000 + each}" for each in range(BULK)]
    requested = request(side.tokens[1], BULK_SEND, {"input": {"to": to, "text": "Good morning"}})
    pid, port = side.servers[0]
    peak = peak_mib(pid)
    before, began = side.cpu(), time.perf_counter()
    asyncio.run(ask_once(port, requested, b'"accepted":%d' % BULK))
    rate, cpu = BULK / (time.perf_counter() - began), (side.cpu() - before) / BULK * 1e6
    name = "bulkSend of 100,000, a recipient"
    return [
        *_figures(name, rate, cpu),
        Measurement(f"{name}: peak memory", peak(), "MiB"),
    ]


def _inbox(side: Side) -> list[Measurement]:
    requested = request(_owner(side), INBOX)
    return loaded(
        "inbox page of 50",
        side.cpu,
        side.ports(1),
        lambda _: requested,
        connections=16,
        expect=b'"lastMessage":{',
    )


def loaded(
    name: str,
    cpu: Callable[[], float],
    ports: Sequence[int],
    make: Requests,
    *,
    connections: int = CONNECTIONS,
    expect: bytes = b'"__typename":"Send"',
) -> list[Measurement]:
    """The rate and the CPU of a load."""
    run = partial(measured, cpu, ports, make, connections=connections, expect=expect)
    run(seconds=WARM_UP_SECONDS)
    done, cpu_us = run(seconds=SECONDS)
    return _figures(name, done.per_second, cpu_us)


def _figures(name: str, per_second: float, cpu_us: float) -> list[Measurement]:
    return [
        Measurement(name, per_second, "a second"),
        Measurement(f"{name}: CPU", cpu_us, "µs"),
    ]


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
