"""A bulkSend of 100,000 against COPY of the same rows into the same table, without anything else.

The send normalises the numbers and charges them. COPY gets rows that are ready. Each figure is the
best of three, on one connection.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from io import BytesIO

from benchmarks.databases import new_database
from benchmarks.measurement import Measurement
from domain.ids import new_send_id
from domain.numbers import Normaliser
from domain.sending.accept import AcceptedNow, accept_alone
from domain.sending.messages import NewSend, SendKind
from domain.sending.recipients import sort_normalised
from persistence import store
from persistence.sending import accept
from tests import db

COUNT = 100_000
TIMES = 3
UNITS = 10_000_000


def main() -> list[Measurement]:
    """The time of both, their ratio, and the growth of memory."""
    with new_database() as database:
        return asyncio.run(_measure(database.url))


async def _measure(url: str) -> list[Measurement]:
    normaliser = Normaliser("US")
    numbers = [f"+1202{2_000_000 + each}" for each in range(COUNT)]
    async with db.connected(url, pool_size=2):
        tenant = await db.add_client(await db.add_pool(held=UNITS), held=UNITS)

        async def bulk() -> None:
            recipients = sort_normalised(numbers, normaliser.normalise_many(numbers))
            assert len(recipients.numbers) == COUNT
            result = await accept_alone(store, _send_of(tenant, recipients.numbers))
            assert isinstance(result, AcceptedNow), result

        copied = await _best_seconds(lambda: _copy(tenant, numbers))
        before = _peak_bytes()
        bulk_seconds = await _best_seconds(lambda: _timed(bulk))
        grown = _peak_bytes() - before
    return [
        Measurement("bulkSend of 100,000", bulk_seconds, "s"),
        Measurement("COPY of the same rows", copied, "s"),
        Measurement("bulkSend ÷ COPY", bulk_seconds / copied, "", at_most=2),
        Measurement("peak memory, over COPY's", grown / 2**20, "MiB"),
    ]


async def _copy(tenant: db.Tenant, numbers: list[str]) -> float:
    parts = accept.encoded_messages(_send_of(tenant, numbers), now := datetime.now(UTC), now)
    rows = b"".join([part async for part in parts])

    async def copy() -> None:
        async with store.transaction() as tx:
            await tx.copy_to_table(
                "message", source=BytesIO(rows), columns=accept.COPIED_COLUMNS, format="binary"
            )

    return await _timed(copy)


async def _best_seconds(run: Callable[[], Awaitable[float]]) -> float:
    return min([await run() for _ in range(TIMES)])


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def _send_of(tenant: db.Tenant, numbers: list[str]) -> NewSend:
    return NewSend(
        id=new_send_id(),
        payer=tenant.payer,
        actor_id=tenant.client_id,
        kind=SendKind.BULK,
        numbers=numbers,
        text="Good morning",
    )


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
