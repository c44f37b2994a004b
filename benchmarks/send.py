"""`send` over HTTP GraphQL: 64 connections, two server processes, one durable database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

from benchmarks.databases import new_database, server
from benchmarks.load import measured, request
from benchmarks.measurement import Measurement
from benchmarks.tenants import add_tenants

CONNECTIONS = 64
SECONDS = 6.0
WARM_UP_SECONDS = 1.5
TENANTS = 1_000
UNITS = 10_000_000

SEND = """mutation ($input: SendInput!) {
  send(input: $input) { __typename ... on Send { id charged } ... on UserError { message } } }"""
BULK_SEND = """mutation ($input: BulkSendInput!) { bulkSend(input: $input) {
  __typename ... on Send { id accepted charged } ... on UserError { message } } }"""
VIEWER = "{ viewer { id } }"


def main() -> list[Measurement]:
    """The CPU of a send, and its rate compared with that of the cheapest query."""
    with new_database() as db:
        tokens = asyncio.run(add_tenants(db.url, TENANTS, units=UNITS))
        with server(db) as first, server(db) as second:
            pids, ports = zip(first, second, strict=True)
            run = partial(measured, lambda: db.cpu(*pids), ports, connections=CONNECTIONS)
            view = partial(run, viewer_of(tokens), expect=b'"id":"usr_')
            send = partial(run, expect=b'"__typename":"Send"')
            view(seconds=WARM_UP_SECONDS)
            send(sends_of(tokens), seconds=WARM_UP_SECONDS)
            viewer, viewer_cpu = view(seconds=SECONDS)
            spread, spread_cpu = send(sends_of(tokens), seconds=SECONDS)
            hot, hot_cpu = send(sends_of(tokens[:1]), seconds=SECONDS)
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


def viewer_of(tokens: list[str]) -> Callable[[int], bytes]:
    requests = [request(token, VIEWER) for token in tokens]
    turn = count()
    return lambda _number: requests[next(turn) % len(requests)]


def sends_of(tokens: Sequence[str]) -> Callable[[int], bytes]:
    given: dict[str, object] = {"input": {"to": "+12025550100", "text": "Good morning"}}
    requests = [request(token, SEND, given) for token in tokens]
    turn = count()
    return lambda _number: requests[next(turn) % len(requests)]
