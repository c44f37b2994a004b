"""Several processes at full speed: the ledger is whole in every snapshot, and after a kill."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from ibiki.local.embedded import EmbeddedDatabase
from tests import db
from tests.ledger.ledger_load import as_described

PROCESSES, TASKS, STEPS = 3, 8, 30

# Each of these has no row in any snapshot, whatever is under way.
NEVER = {
    "a client or a group below zero": """
        SELECT id, held FROM account WHERE kind <> 'POOL' AND held < 0""",
    "a holding that is not the sum of its transfers": """
        SELECT id, held, version, entries, total FROM account LEFT JOIN (
            SELECT node, sum(change) AS total, count(*) AS entries FROM (
                SELECT source_id AS node, -amount AS change FROM transfer
                UNION ALL SELECT destination_id, amount FROM transfer) AS ends
            GROUP BY node) AS proven ON node = id
        WHERE held <> coalesce(total, 0) OR version <> coalesce(entries, 0)""",
    "a pool that changed by anything but what came from and went outside": """
        SELECT account.provider_account_id, sum(held) FROM account
        GROUP BY 1
        HAVING sum(held) <> (
            SELECT coalesce(sum(CASE WHEN source_id IS NULL THEN amount
                                     WHEN destination_id IS NULL THEN -amount ELSE 0 END), 0)
            FROM transfer WHERE transfer.provider_account_id = account.provider_account_id)""",
    "a send that took from a pool or a group, or an allocation from outside": """
        SELECT transfer.id FROM transfer LEFT JOIN account ON account.id = source_id
        WHERE (transfer.kind = 'SEND' AND account.kind <> 'CLIENT' AND NOT EXISTS (
                  SELECT FROM provider_account WHERE account_id = source_id
                  AND owner_client_id IS NOT NULL))
           OR (transfer.kind = 'ALLOCATION' AND num_nulls(source_id, destination_id) > 0)""",
    "a charge that is not n x price of the messages there are, or has another ID than its send": """
        SELECT send.id FROM send
        LEFT JOIN transfer ON transfer.id = send.id
                          AND transfer.send_id = send.id AND transfer.kind = 'SEND'
        WHERE transfer.amount IS DISTINCT FROM send.price * (
            SELECT count(*) FROM message WHERE message.send_id = send.id)""",
    "a refund of more or less than was called back or refused": """
        SELECT send.id FROM send
        WHERE (SELECT coalesce(sum(amount), 0) FROM transfer
               WHERE transfer.send_id = send.id AND kind = 'REFUND')
           <> send.price * (SELECT count(*) FROM message WHERE message.send_id = send.id
                            AND status IN ('REJECTED', 'CANCELLED') AND NOT in_reading)""",
}


@dataclass
class RunningLoad:
    """A process that makes the load, and what it has acknowledged so far."""

    process: Process
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Reads until the process ends; an incomplete last line is ignored."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            with suppress(orjson.JSONDecodeError):
                self.acknowledged.append(orjson.loads(line))
            if len(self.acknowledged) >= 40:
                self.enough.set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("killed", [False, True])
async def test_under_load_every_snapshot_is_whole_and_what_is_acknowledged_is_stored(
    new_database_url: str, database_server: EmbeddedDatabase, killed: bool
) -> None:
    async with db.connected(new_database_url):
        clients = await _clients()
        async with (
            _running_load(new_database_url, clients) as processes,
            _reading(new_database_url) as looks,
        ):
            if killed:
                await asyncio.wait_for(processes[0].enough.wait(), 120)
                processes[0].process.kill()
            codes = [await each.process.wait() for each in processes]
        assert codes == [-9 if killed and place == 0 else 0 for place in range(PROCESSES)]
        assert looks, "no snapshot was read under load"
        await _all_is_there([each for one in processes for each in one.acknowledged])
        await db.assert_audit_holds()
        statuses = await db.statuses()
        assert {"SENT", "REJECTED", "CANCELLED"} <= statuses.keys(), "too few operations were done"
        assert await _deadlocks(new_database_url) == 0


async def _clients() -> list[db.Tenant]:
    pool = await db.add_pool(held=5_000)
    groups = [await db.add_group(pool, held=500) for _ in range(2)]
    members = [await db.add_client(pool, held=900, group=groups[each % 2]) for each in range(4)]
    loners = [await db.add_client(pool, held=900) for _ in range(2)]
    return [*members, *loners, await db.add_school(held=60_000)]


@asynccontextmanager
async def _running_load(url: str, clients: list[db.Tenant]) -> AsyncIterator[list[RunningLoad]]:
    """Runs the processes while the block does. In the end, none is left."""
    numbers = [str(each) for each in (TASKS, STEPS)]
    processes = [
        RunningLoad(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.ledger.ledger_load", url, str(seed), *numbers,
                stdin=PIPE, stdout=PIPE,
            )
        )
        for seed in range(PROCESSES)
    ]  # fmt: skip
    for each in processes:
        assert each.process.stdin is not None
        each.process.stdin.write(as_described(clients))
        each.process.stdin.write_eof()
    listeners = [asyncio.create_task(each.listen()) for each in processes]
    try:
        yield processes
        await asyncio.gather(*listeners)
    finally:
        for each in processes:
            with suppress(ProcessLookupError):
                each.process.kill()
            await each.process.wait()


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[list[str]]:
    """Checks one snapshot after another. Yields the list of the checks that were made."""
    looks: list[str] = []
    stopping = asyncio.Event()

    async def look_on() -> None:
        reader = await asyncpg.connect(url)
        try:
            while not stopping.is_set():
                async with reader.transaction(isolation="repeatable_read", readonly=True):
                    for name, query in NEVER.items():
                        assert await reader.fetch(f"{query} LIMIT 3") == [], name
                        looks.append(name)
        finally:
            await reader.close()

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(look_on()) for _ in range(2)]
        try:
            yield looks
        finally:
            stopping.set()
            assert readers


async def _all_is_there(acknowledged: list[dict[str, Any]]) -> None:
    """Each acknowledged send has its messages and one charge, and each key has one send."""
    assert len(acknowledged) > 100
    rows = await db.fetch(
        "SELECT send.id, count(message.id) AS messages FROM send"
        " JOIN transfer ON transfer.send_id = send.id AND transfer.kind = 'SEND'"
        " JOIN message ON message.send_id = send.id GROUP BY send.id"
    )
    there = {row["id"]: row["messages"] for row in rows}
    sends_of_key: dict[tuple[str, str], set[str]] = {}
    for each in acknowledged:
        assert there.get(UUID(each["send"])) == each["count"]
        if each["key"]:
            sends_of_key.setdefault((each["client"], each["key"]), set()).add(each["send"])
    assert all(len(sends) == 1 for sends in sends_of_key.values())


async def _deadlocks(url: str) -> int:
    looker = await asyncpg.connect(url)
    try:
        await looker.execute("SELECT pg_stat_force_next_flush()")
        return int(
            await looker.fetchval(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
        )
    finally:
        await looker.close()
