"""Whether connection pools are back to their full size, asked from outside.

All tables that the programs read are locked for a moment. A request then waits and holds a
connection. PostgreSQL counts those: a connection that a pool has lost is missing among them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TypeAlias

import aiohttp
import asyncpg

from tests.faults.rig import POOL_SIZE, Rig

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

BOUND_SECONDS = 5.0
LOCKED_SECONDS = 30.0
TRIES = 4
WANTED = {"ibiki serve": 2 * POOL_SIZE, "ibiki dispatch": 2 * POOL_SIZE}

# Never longer than a deadlock takes to be seen: nothing that the lock stands in the way of is one.
LOCK = "SET LOCAL lock_timeout = '150ms'; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE"
TABLES = ("message", "attempt", "send", "access_change", "contact")
WAITING = """
SELECT application_name AS name, count(*) AS connections FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = 'ibiki' GROUP BY 1
"""
CONTACTS = {"query": "{ contacts(first: 1) { nodes { id } } }"}


async def pools_are_full(rig: Rig) -> list[str]:
    """Which programs cannot have as many connections at once as their pools are large.

    A lost connection stays lost. A program that is only slow has several tries.
    """
    for _ in range(TRIES - 1):
        if not await _missing(rig):
            return []
    return await _missing(rig)


async def _missing(rig: Rig) -> list[str]:
    # Two: within one transaction PostgreSQL tells of activity as it was at its beginning.
    superuser, watcher = await rig.postgres.superuser(), await rig.postgres.superuser()
    try:
        found = await _count(rig, superuser, watcher)
    finally:
        await superuser.close()
        await watcher.close()
    return [
        f"{name}: {found[name]} of {wanted} connections of its pools can be had"
        for name, wanted in WANTED.items()
        if found[name] < wanted
    ]


async def _count(rig: Rig, superuser: Connection, watcher: Connection) -> Counter[str]:
    """How many connections each kind of program had in hand at the most."""
    async with asyncio.timeout(LOCKED_SECONDS):
        while not await _locked(superuser):  # noqa: ASYNC110 - others' transactions end
            await asyncio.sleep(0.02)
    askers = [asyncio.create_task(_keep_asking(rig, place)) for place in range(2 * POOL_SIZE + 2)]
    most: Counter[str] = Counter()
    give_up_at = time.monotonic() + BOUND_SECONDS
    try:
        while any(most[name] < wanted for name, wanted in WANTED.items()):
            if time.monotonic() > give_up_at:
                break
            for row in await watcher.fetch(WAITING):
                most[row["name"]] = max(most[row["name"]], row["connections"])
            await asyncio.sleep(0.02)
    finally:
        await superuser.execute("ROLLBACK")
        for asker in askers:
            asker.cancel()
        await asyncio.gather(*askers, return_exceptions=True)
    return most


async def _locked(superuser: Connection) -> bool:
    """The tables are locked in a transaction that is open; False where somebody was in the way."""
    await superuser.execute("BEGIN")
    try:
        for table in TABLES:
            await superuser.execute(LOCK.format(table))
    except asyncpg.LockNotAvailableError:
        await superuser.execute("ROLLBACK")
        return False
    return True


async def _keep_asking(rig: Rig, place: int) -> None:
    """Reads that wait for the lock, at one server or the other, until cancelled."""
    url = f"http://127.0.0.1:{rig.servers[place % 2].far_line.port}/graphql"
    headers = {"authorization": f"Bearer {rig.load.somebody}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.post(url, json=CONTACTS) as response:
                await response.read()
