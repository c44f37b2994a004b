"""One dispatcher against a provider that answers at once: messages a second, and who goes first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

from benchmarks.ground import Ground, cpu_seconds, ground, program, server, with_children
from benchmarks.load import load
from benchmarks.measurement import Measurement
from benchmarks.provider import Provider, answering
from benchmarks.send import sends_of
from benchmarks.tenants import add_tenants
from domain.ids import new_id
from domain.sending.accept import AcceptedNow, accept_alone, accept_batch
from domain.sending.messages import NewSend, SendKind
from persistence import store
from tests import worlds

SINGLES = 5_000
BULK = 100_000
ENOUGH_OF_BULK = 30_000
PART_OF_BULK = 10_000
ROUNDS = 2
URGENT = 10
ACCEPT_SECONDS = 6.0
CONNECTIONS = 32
UNITS = 100_000_000
WAIT_SECONDS = 300.0


def main() -> list[Measurement]:
    """Alone, with urgent messages among bulks, and beside accepting at full rate."""
    with ground() as place:
        alone = asyncio.run(_alone(place))
    with ground() as place:
        beside = asyncio.run(_beside_accepting(place))
    with ground() as place:
        limited, unlimited = asyncio.run(_bulk_of_a_slow_provider(place))
    singles_alone = alone[0].value
    accepted, handed_over = beside
    return [
        *alone,
        Measurement("bulk, answers after 100 ms", limited, "messages/s"),
        Measurement("the same ÷ 5,000 messages under way", limited / unlimited, ""),
        Measurement("accepted beside it", accepted, "sends/s"),
        Measurement("singles, while accepting", handed_over, "messages/s"),
        Measurement(
            "singles, while accepting ÷ alone", handed_over / singles_alone, "", at_least=0.2
        ),
    ]


async def _alone(place: Ground) -> list[Measurement]:
    async with worlds.connected(place.url, pool_size=4), answering() as provider:
        pool = await worlds.add_pool(held=UNITS)
        one, other = [await worlds.add_client(pool, held=UNITS // 10, name=n) for n in ("A", "B")]
        singles = [_send_of((one, other)[each % 2], SendKind.SINGLE, 1) for each in range(SINGLES)]
        for start in range(0, SINGLES, 200):
            await accept_batch(store, singles[start : start + 200])
        measured = []
        with _dispatcher(place, provider) as pid:
            measured += await _drained(place, provider, pid, "singles", SINGLES)
        for each in (one, other):
            assert isinstance(
                await accept_alone(store, _send_of(each, SendKind.BULK, BULK)), AcceptedNow
            )
        with _dispatcher(place, provider) as pid:
            measured += await _drained(place, provider, pid, "bulk", ENOUGH_OF_BULK)
            slowest = max([await _urgent(provider, other, each) for each in range(URGENT)])
        assert provider.taken < SINGLES + 2 * BULK, "the bulks were not draining any more"
    return [
        *measured,
        Measurement("a single among 200,000, slowest of 10", slowest, "s", at_most=1),
    ]


async def _bulk_of_a_slow_provider(place: Ground) -> tuple[float, float]:
    """Bulk messages a second with the default of messages under way, and with 5,000 of them.

    400 messages under way for 100 ms are 4,000 messages a second at the very most.
    """
    rates: dict[str, list[float]] = {"": [], "5000": []}
    async with worlds.connected(place.url, pool_size=4), answering(after_seconds=0.1) as provider:
        tenant = await worlds.add_client(await worlds.add_pool(held=UNITS), held=UNITS // 10)
        for _ in range(ROUNDS):
            for under_way, measured in rates.items():
                await accept_alone(store, _send_of(tenant, SendKind.BULK, 2 * PART_OF_BULK))
                with _dispatcher(place, provider, DISPATCH_MESSAGES_UNDER_WAY=under_way):
                    await provider.has_taken(provider.taken + 1, within_seconds=WAIT_SECONDS)
                    began, already = time.perf_counter(), provider.taken
                    await provider.has_taken(already + PART_OF_BULK, within_seconds=WAIT_SECONDS)
                    done = provider.taken - already
                    measured.append(done / (provider.last_at - began))
    return max(rates[""]), max(rates["5000"])


async def _drained(
    place: Ground, provider: Provider, pid: int, what: str, messages: int
) -> list[Measurement]:
    """The rate from the first call on, and the CPU a message of dispatcher and PostgreSQL."""
    start = provider.taken
    await provider.has_taken(start + 1, within_seconds=WAIT_SECONDS)
    pids = [pid, *with_children(place.postgres_pid)]
    before, began, already = cpu_seconds(pids), time.perf_counter(), provider.taken
    await provider.has_taken(start + messages, within_seconds=WAIT_SECONDS)
    done, used = provider.taken - already, cpu_seconds(pids) - before
    return [
        Measurement(f"{what}, alone", done / (provider.last_at - began), "messages/s"),
        Measurement(f"{what}, CPU", used / done * 1e6, "µs a message"),
    ]


async def _urgent(provider: Provider, tenant: worlds.Tenant, each: int) -> float:
    """Seconds from accepting a single message until the provider has it."""
    text = f"Urgent {each}"
    asked_at = time.perf_counter()
    assert isinstance(
        await accept_alone(store, _send_of(tenant, SendKind.SINGLE, 1, text)), AcceptedNow
    )
    async with asyncio.timeout(WAIT_SECONDS):
        while text not in provider.seen_at:  # noqa: ASYNC110 - it comes from another process
            await asyncio.sleep(0.005)
    return provider.seen_at[text] - asked_at


async def _beside_accepting(place: Ground) -> tuple[float, float]:
    """Sends accepted, and messages handed over, a second, both at once on this machine."""
    tokens = await add_tenants(place.url, 100, units=UNITS // 1_000)
    async with answering() as provider:
        with server(place) as (_, port), _dispatcher(place, provider):
            make: Callable[[int], bytes] = sends_of(tokens)
            ask = partial(load, [port], make, expect=b'"Send"')
            await ask(connections=1, seconds=0.1)  # both are there
            await provider.has_taken(1, within_seconds=WAIT_SECONDS)
            already, began = provider.taken, time.perf_counter()
            accepted = await ask(connections=CONNECTIONS, seconds=ACCEPT_SECONDS)
            return accepted.per_second, (provider.taken - already) / (time.perf_counter() - began)


@contextmanager
def _dispatcher(place: Ground, provider: Provider, **environment: str) -> Iterator[int]:
    environment |= {"EXTREME_API_URL": provider.url, "EXTREME_API_KEY": "benchmark"}
    with program(place, "dispatch", **environment) as pid:
        yield pid


_numbers = count(2_000_000)


def _send_of(
    tenant: worlds.Tenant, kind: SendKind, messages: int, text: str = "Good morning"
) -> NewSend:
    return NewSend(
        id=new_id(),
        payer=tenant.payer,
        actor_id=tenant.client_id,
        kind=kind,
        numbers=[f"+1202{next(_numbers)}" for _ in range(messages)],
        text=text,
    )
