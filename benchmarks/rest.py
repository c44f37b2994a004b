"""Keyed single sends of many tenants over REST and over GraphQL, in turns on one server process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from statistics import median

from benchmarks.databases import new_database, server
from benchmarks.load import measured, post, request
from benchmarks.measurement import Measurement
from benchmarks.send import CONNECTIONS, SEND, TENANTS, UNITS
from benchmarks.tenants import add_tenants

SECONDS = 1.0
ROUNDS = 9
PATH = "/api/v2/sms/sendsingle"
TEXT = "Good morning"

Make = Callable[[int], bytes]


def main() -> list[Measurement]:
    """The medians of both, and REST ÷ GraphQL of the same run."""
    with new_database() as db:
        tokens = asyncio.run(add_tenants(db.url, TENANTS, units=UNITS))
        orders = count()
        loads: dict[str, tuple[Make, bytes]] = {
            "GraphQL": (_graphql(tokens, orders), b'"__typename":"Send"'),
            "REST": (_rest(tokens, orders), b'"messageId":"msg_'),
        }
        rates: dict[str, list[float]] = {name: [] for name in loads}
        cpus: dict[str, list[float]] = {name: [] for name in loads}
        with server(db) as (pid, port):
            run = partial(
                measured, lambda: db.cpu(pid), [port], connections=CONNECTIONS, seconds=SECONDS
            )
            for round_ in range(ROUNDS + 1):
                for name, (make, expect) in loads.items():
                    done, cpu = run(make, expect=expect)
                    if round_:  # the first one warms up
                        rates[name].append(done.per_second)
                        cpus[name].append(cpu)
    return [
        *(Measurement(f"keyed send over {name}", median(rates[name]), "sends/s") for name in loads),
        *(Measurement(f"{name}, CPU", median(cpus[name]), "µs a send") for name in loads),
        Measurement("REST ÷ GraphQL, rate", _ratio(rates), "", at_least=0.95),
        Measurement("REST ÷ GraphQL, CPU", _ratio(cpus), "", at_most=1.05),
    ]


def _ratio(of: Mapping[str, Sequence[float]]) -> float:
    """The median ratio of pairs of loads. A busy moment of the machine affects both of a pair."""
    pairs = zip(of["REST"], of["GraphQL"], strict=True)
    return median(rest / graphql for rest, graphql in pairs)


def _numbered(orders: Iterator[int], tokens: list[str]) -> tuple[int, str, str]:
    """A number for a key, a token, and a phone number. They differ from one request to the next."""
    number = next(orders)
    return number, tokens[number % len(tokens)], f"+1202{2_000_000 + number % 7_000_000}"


def _graphql(tokens: list[str], orders: Iterator[int]) -> Make:
    def make(_: int) -> bytes:
        number, token, to = _numbered(orders, tokens)
        given: dict[str, object] = {"to": to, "text": TEXT, "idempotencyKey": f"order-{number}"}
        return request(token, SEND, {"input": given})

    return make


def _rest(tokens: list[str], orders: Iterator[int]) -> Make:
    def make(_: int) -> bytes:
        number, token, to = _numbered(orders, tokens)
        key = f"idempotency-key: order-{number}\r\n"
        return post(token, PATH, {"recipient": to, "message": TEXT}, headers=key)

    return make
