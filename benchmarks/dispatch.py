"""One dispatcher against a provider that answers at once: rate, and delay of urgent messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.databases import Build, Database, builds, new_database, program, server
from benchmarks.load import ask_once, load, request
from benchmarks.measurement import Measurement, compared
from benchmarks.provider import Provider, answering
from benchmarks.send import BULK_SEND, SEND, sends_of
from benchmarks.tenants import tenants_of

SINGLES = 5_000
BULK = 100_000
PART_OF_BULK = 10_000
ROUNDS = 2
URGENT = 10
ACCEPT_SECONDS = 6.0
CONNECTIONS = 32
TENANTS = 100
UNITS = 10_000_000
WAIT_SECONDS = 300.0


def main() -> list[Measurement]:
    """Alone, with urgent messages among bulks, and beside accepting at full rate."""
    return compared(builds(), _measured)


def _measured(build: Build) -> list[Measurement]:
    with new_database(build) as db:
        alone = asyncio.run(_alone(db))
    with new_database(build) as db:
        accepted, submitted = asyncio.run(_beside_accepting(db))
    with new_database(build) as db:
        limited, unlimited = asyncio.run(_bulk_of_a_slow_provider(db))
    return [
        *alone,
        Measurement("bulk, answers after 100 ms", limited, "messages/s"),
        Measurement("the same ÷ 5,000 messages under way", limited / unlimited, ""),
        Measurement("accepted beside it", accepted, "sends/s"),
        Measurement("singles, while accepting", submitted, "messages/s"),
        Measurement(
            "singles, while accepting ÷ alone", submitted / alone[0].value, "", at_least=0.2
        ),
    ]


async def _alone(db: Database) -> list[Measurement]:
    tokens = tenants_of(db, 2, units=UNITS)
    async with answering() as provider:
        with server(db) as (_, port):
            singles = await queue_singles(port, tokens, SINGLES)
            with dispatcher(db, provider) as pid:
                measured = await _drained(db, provider, pid, "singles", singles)
            for token in tokens:
                await queue_bulk(port, token)
            with dispatcher(db, provider) as pid:
                # All of them: the contacts of all are captured meanwhile.
                measured += await _drained(db, provider, pid, "bulk", 2 * BULK)
                for token in tokens:
                    await queue_bulk(port, token)
                slowest = max([await urgent(provider, port, tokens[1], n) for n in range(URGENT)])
        assert provider.taken < singles + 4 * BULK, "the bulks were not draining any more"
    return [
        *measured,
        Measurement("a single among 200,000, slowest of 10", slowest, "s", at_most=1),
    ]


async def _bulk_of_a_slow_provider(db: Database) -> tuple[float, float]:
    """Bulk messages a second with the default of messages under way, and with 5,000 of them.

    400 messages under way for 100 ms are 4,000 messages a second at most.
    """
    rates: dict[str, list[float]] = {"": [], "5000": []}
    [token] = tenants_of(db, 1, units=UNITS)
    async with answering(after_seconds=0.1) as provider:
        for _ in range(ROUNDS):
            for under_way, measured in rates.items():
                with server(db) as (_, port):
                    await queue_bulk(port, token, 2 * PART_OF_BULK)
                with dispatcher(db, provider, DISPATCH_MESSAGES_UNDER_WAY=under_way):
                    await provider.has_taken(provider.taken + 1, within_seconds=WAIT_SECONDS)
                    began, already = time.perf_counter(), provider.taken
                    await provider.has_taken(already + PART_OF_BULK, within_seconds=WAIT_SECONDS)
                    done = provider.taken - already
                    measured.append(done / (provider.last_at - began))
    return max(rates[""]), max(rates["5000"])


async def _drained(
    db: Database, provider: Provider, pid: int, what: str, messages: int
) -> list[Measurement]:
    """The rate from the first call on, and the CPU of a message (dispatcher and PostgreSQL)."""
    start = provider.taken
    await provider.has_taken(start + 1, within_seconds=WAIT_SECONDS)
    before, began, already = db.cpu(pid), time.perf_counter(), provider.taken
    await provider.has_taken(start + messages, within_seconds=WAIT_SECONDS)
    done, used = provider.taken - already, db.cpu(pid) - before
    return [
        Measurement(f"{what}, alone", done / (provider.last_at - began), "messages/s"),
        Measurement(f"{what}, CPU", used / done * 1e6, "µs a message"),
    ]


async def urgent(provider: Provider, port: int, token: str, each: int) -> float:
    """Seconds from asking for a single message until the provider has it."""
    text = f"Urgent {each}"
    given: dict[str, object] = {"input": {"to": "+12025550100", "text": text}}
    requested_at = time.perf_counter()
    await ask_once(port, request(token, SEND, given), b'"__typename":"Send"')
    async with asyncio.timeout(WAIT_SECONDS):
        while text not in provider.seen_at:  # noqa: ASYNC110 - another process sends it
            await asyncio.sleep(0.005)
    return provider.seen_at[text] - requested_at


async def _beside_accepting(db: Database) -> tuple[float, float]:
    """Sends accepted and messages submitted in a second, both at the same time."""
    tokens = tenants_of(db, TENANTS, units=UNITS)
    async with answering() as provider:
        with server(db) as (_, port), dispatcher(db, provider):
            make: Callable[[int], bytes] = sends_of(tokens)
            ask = partial(load, [port], make, expect=b'"Send"')
            await ask(connections=1, seconds=0.1)  # both have started
            await provider.has_taken(1, within_seconds=WAIT_SECONDS)
            already, began = provider.taken, time.perf_counter()
            accepted = await ask(connections=CONNECTIONS, seconds=ACCEPT_SECONDS)
            return accepted.per_second, (provider.taken - already) / (time.perf_counter() - began)


@contextmanager
def dispatcher(db: Database, provider: Provider, **environment: str) -> Iterator[int]:
    """Starts a dispatcher that sends to the provider. Yields its process ID."""
    with program(db, "dispatch", **provider.environment, **environment) as pid:
        yield pid


async def queue_bulk(port: int, token: str, messages: int = BULK) -> None:
    """A send of that client to this many numbers."""
    to = [f"+1202{2_000_000 + each}" for each in range(messages)]
    requested = request(token, BULK_SEND, {"input": {"to": to, "text": "Good morning"}})
    await ask_once(port, requested, b'"accepted":%d' % messages)


async def queue_singles(port: int, tokens: Sequence[str], messages: int) -> int:
    """At least this many single messages of these clients. Returns how many."""
    done = 0
    while done < messages:
        run = await load(
            [port], sends_of(tokens), connections=CONNECTIONS, seconds=1, expect=b'"Send"'
        )
        done += run.answers
    return done
