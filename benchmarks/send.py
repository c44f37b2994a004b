"""`send` over HTTP GraphQL: 64 connections, two server processes, one durable database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

from benchmarks.databases import Database, cpu_seconds, new_database, server, with_children
from benchmarks.load import Run, load, request
from benchmarks.measurement import Measurement
from benchmarks.tenants import add_tenants

CONNECTIONS = 64
SECONDS = 6.0
WARM_UP_SECONDS = 1.5
TENANTS = 1_000
UNITS = 10_000_000

SEND = """mutation ($input: SendInput!) {
  send(input: $input) { __typename ... on Send { id charged } ... on UserError { message } } }"""
VIEWER = "{ viewer { id } }"


def main() -> list[Measurement]:
    """The CPU of a send, and its rate compared with that of the cheapest query."""
    with new_database() as db:
        tokens = asyncio.run(add_tenants(db.url, TENANTS, units=UNITS))
        with server(db) as first, server(db) as second:
            pids, ports = zip(first, second, strict=True)
            measure = _Measured(db, list(pids), list(ports))
            measure.run(viewer_of(tokens), b'"id":"usr_', seconds=WARM_UP_SECONDS)
            measure.run(sends_of(tokens), b'"__typename":"Send"', seconds=WARM_UP_SECONDS)
            viewer, viewer_cpu = measure.run(viewer_of(tokens), b'"id":"usr_')
            spread, spread_cpu = measure.run(sends_of(tokens), b'"__typename":"Send"')
            hot, hot_cpu = measure.run(sends_of(tokens[:1]), b'"__typename":"Send"')
    return [
        Measurement("viewer", viewer.per_second, "requests/s"),
        Measurement("viewer, CPU", viewer_cpu, "µs a request"),
        Measurement("send, 1,000 tenants", spread.per_second, "sends/s"),
        Measurement("send, 1,000 tenants, CPU", spread_cpu, "µs a send", at_most=250),
        Measurement("send, p99", spread.percentile_ms(99), "ms"),
        Measurement("send, one hot account", hot.per_second, "sends/s"),
        Measurement("send, one hot account, CPU", hot_cpu, "µs a send", at_most=250),
        Measurement("send ÷ viewer", spread.per_second / viewer.per_second, "", at_least=0.7),
        Measurement("hot ÷ spread", hot.per_second / spread.per_second, ""),
    ]


class _Measured:
    """Runs loads, and adds up the CPU of the servers and of PostgreSQL."""

    def __init__(self, db: Database, pids: list[int], ports: list[int]) -> None:
        self._db = db
        self._pids = pids
        self._ports = ports

    def run(
        self, make: Callable[[int], bytes], expect: bytes, *, seconds: float = SECONDS
    ) -> tuple[Run, float]:
        """The result of the load, and the CPU of each answer in µs."""
        before = self._cpu()
        done = asyncio.run(
            load(self._ports, make, connections=CONNECTIONS, seconds=seconds, expect=expect)
        )
        return done, (self._cpu() - before) / done.answers * 1e6

    def _cpu(self) -> float:
        return cpu_seconds([*self._pids, *with_children(self._db.postgres_pid)])


def viewer_of(tokens: list[str]) -> Callable[[int], bytes]:
    requests = [request(token, VIEWER) for token in tokens]
    turn = count()
    return lambda _number: requests[next(turn) % len(requests)]


def sends_of(tokens: Sequence[str]) -> Callable[[int], bytes]:
    given: dict[str, object] = {"input": {"to": "+12025550100", "text": "Good morning"}}
    requests = [request(token, SEND, given) for token in tokens]
    turn = count()
    return lambda _number: requests[next(turn) % len(requests)]
