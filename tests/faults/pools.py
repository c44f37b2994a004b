"""Checks that the connection pools of all programs have their full size again.

All tables that the programs read are locked for a moment. A request then waits and holds a
connection. PostgreSQL counts those: a connection that a pool has lost is missing among them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import TypeAlias

import aiohttp
import asyncpg

from tests.faults.rig import POOL_SIZE, Rig

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

BOUND_SECONDS = 5.0
TRIES = 4
WANTED = {"ibiki serve": 2 * POOL_SIZE, "ibiki dispatch": 2 * POOL_SIZE}

LOCK = "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE"
TABLES = ("message", "attempt", "send", "access_change", "contact")
WAITING = """
SELECT substring(application_name FROM '^ibiki [a-z]+') AS name, count(*) AS connections
FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = 'ibiki' GROUP BY 1
"""
CONTACTS = {"query": "{ contacts(first: 1) { nodes { id } } }"}


async def pools_are_full(rig: Rig) -> list[str]:
    """Returns a line for each kind of program that cannot use all connections of its pools.

    A lost connection stays lost. A program that is only slow gets several tries.
    """
    for _ in range(TRIES - 1):
        if not await _missing(rig):
            return []
    return await _missing(rig)


async def _missing(rig: Rig) -> list[str]:
    async with AsyncExitStack() as stack:
        watcher = await _connection(rig, stack)
        # One connection for each table. A connection that held one lock while it waits for the
        # next one could be in a deadlock with a transaction that uses both tables.
        lockers = [await _connection(rig, stack) for _ in TABLES]
        found = await _count(rig, lockers, watcher)
    return [
        f"{name}: only {found[name]} of its pools' {wanted} connections can be used"
        for name, wanted in WANTED.items()
        if found[name] < wanted
    ]


async def _connection(rig: Rig, stack: AsyncExitStack) -> Connection:
    connection = await rig.postgres.superuser()
    stack.callback(connection.terminate)
    return connection


async def _count(rig: Rig, lockers: list[Connection], watcher: Connection) -> Counter[str]:
    """The largest number of connections that each kind of program used at once."""
    tasks = [
        asyncio.create_task(_lock(connection, table))
        for connection, table in zip(lockers, TABLES, strict=True)
    ]
    tasks += [asyncio.create_task(_keep_asking(rig, place)) for place in range(2 * POOL_SIZE + 2)]
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
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return most


async def _lock(connection: Connection, table: str) -> None:
    """Locks the table until cancelled.

    Transactions that use the table now may delay the lock for a long time. New ones wait behind
    it.
    """
    async with connection.transaction():
        await connection.execute(LOCK.format(table))
        await asyncio.Event().wait()


async def _keep_asking(rig: Rig, place: int) -> None:
    """Starts reads, which wait for the lock, at both servers until cancelled."""
    url = f"http://127.0.0.1:{rig.servers[place % 2].far_line.port}/graphql"
    headers = {"authorization": f"Bearer {rig.load.somebody}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.post(url, json=CONTACTS) as response:
                await response.read()
