"""Tables that are partitioned by month: which months there are; making and dropping them.

IDs are UUIDv7 and begin with their time, so a month is a range of IDs. The first partition is open
at its lower end. The default partition takes rows that fit in no other one: it is empty as long as
the months are made in time. docs/decisions/0199 says why; `persistence.partitioning` moves tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg
from asyncpg import Record

from domain.ids import first_id_at
from domain.transactions import LockTimeout
from persistence.database import STATEMENT_TIMEOUT_SECONDS, connection, transaction

__all__ = ["drop_empty_months", "make_partitions"]

from persistence.database import Connection

AnyConnection: TypeAlias = "Connection | asyncpg.Connection[Record]"
"""A connection of the pool, or a separate one."""

COLUMNS = {"attempt": "id", "sent_to": "message_id", "webhook_event": "id"}
"""The tables, each with the column that has the month."""

LATEST = datetime(6000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=35)
"""How long before its beginning a month is made."""

MOST_COUNTED = 1_000
MAKING_LOCK = 0x1B1C2

# The bounds are read from their text, such as FOR VALUES FROM (MINVALUE) TO ('0198…').
READ = """
SELECT child.relname, parent.relname, bound = 'DEFAULT',
       substring(bound FROM $$FROM \\('([0-9a-f-]+)'\\)$$)::uuid,
       substring(bound FROM $$TO \\('([0-9a-f-]+)'\\)$$)::uuid,
       pg_total_relation_size(child.oid)
FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
JOIN pg_class AS parent ON parent.oid = inhparent
CROSS JOIN LATERAL pg_get_expr(child.relpartbound, child.oid) AS bound
WHERE inhparent = ANY($1::text[]::regclass[]) AND parent.relkind = 'p'
ORDER BY parent.relname, 3, 5
"""
# A statement that waits for a lock makes all later ones wait behind it. So it waits briefly.
BRIEFLY = "SELECT set_config('lock_timeout', '1s', true)"
ALONE = "SELECT pg_try_advisory_xact_lock($1)"
OPTIONS = "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = $1::text::regclass"
HAS_ROWS = "SELECT EXISTS (SELECT FROM {})"
MOVE_MISPLACED = """
WITH moved AS (DELETE FROM {table}_default WHERE {column} >= $1 AND {column} < $2 RETURNING *)
INSERT INTO {name} SELECT * FROM moved
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a table. `since`, `until`: the range of its IDs, without `until`; None is open."""

    name: str
    table: str
    is_default: bool
    since: UUID | None
    until: UUID | None
    size: int


def month_of(moment: datetime) -> datetime:
    """The beginning of its month."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    """The beginning of the next month."""
    return month_of(month + timedelta(days=32))


def time_of(id_: UUID) -> datetime:
    """The time that a UUIDv7 begins with. Other UUIDs may begin with any year: LATEST at most."""
    return min(datetime.fromtimestamp(min(id_.int >> 80, 2**47) / 1000, UTC), LATEST)


async def read_partitions(
    held: AnyConnection, tables: Sequence[str] = tuple(COLUMNS)
) -> list[Partition]:
    """The partitions in the order of their tables and months; the default ones last."""
    return [Partition(*row) for row in await held.fetch(READ, list(tables))]


async def make_partitions(now: datetime | None = None) -> bool:
    """Makes the months that begin soon, and moves their rows out of the default partition.

    Raises LockTimeout if a table is in use for too long. Repeat it then.
    """
    now = now or datetime.now(UTC)
    horizon, present = first_id_at(now + AHEAD), first_id_at(month_of(now))
    async with connection() as pooled:
        ends = _ends(await read_partitions(pooled), present)
    made = False
    for table, end in ends.items():
        if end <= horizon:
            async with transaction() as tx:
                made = await make_month(tx, table, present) or made
    return made


def _ends(partitions: Sequence[Partition], present: UUID) -> dict[str, UUID]:
    """The end of the last month of each table, or `present` if all its months were dropped."""
    ends = {each.table: present for each in partitions if each.is_default}
    return ends | {each.table: each.until for each in partitions if each.until}


async def make_month(tx: Connection, table: str, present: UUID) -> bool:
    """Makes the month after the last one, or the present one if there is none.

    False if another process is doing that.
    ATTACH lets others read and write the table. Only the default partition is locked.
    """
    await tx.execute(BRIEFLY)
    if not await tx.fetchval(ALONE, MAKING_LOCK):
        return False
    found = await read_partitions(tx, [table])
    *_, last = [each for each in found if each.until] or found
    since = last.until or present
    month = time_of(since)
    until = first_id_at(month_after(month))
    name = f"{table}_{month:%Y_%m}"
    await tx.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    if options := await tx.fetchval(OPTIONS, last.name):
        await tx.execute(f"ALTER TABLE {name} SET ({options})")
    await tx.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
    move = MOVE_MISPLACED.format(table=table, column=COLUMNS[table], name=name)
    await tx.execute(move, since, until, timeout=STATEMENT_TIMEOUT_SECONDS)
    await tx.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{since}') TO ('{until}')"
    )
    return True


async def drop_empty_months(before: datetime) -> list[str]:
    """Drops the months that ended before a time and have no rows. Returns their names.

    The first partition has several months, and is dropped with its last one. A month stays until
    the next call if its table is in use for too long.
    """
    async with connection() as pooled:
        ended = [
            each
            for each in await read_partitions(pooled)
            if each.until is not None and each.until <= first_id_at(before)
        ]
    dropped = []
    for each in ended:
        with suppress(LockTimeout):
            if await _drop_if_empty(each):
                dropped.append(each.name)
    return dropped


async def _drop_if_empty(month: Partition) -> bool:
    async with transaction() as tx:
        await tx.execute(BRIEFLY)
        # The month can no longer be written to. The other months of the table can.
        await tx.execute(f"LOCK TABLE {month.name} IN SHARE MODE")
        if await tx.fetchval(HAS_ROWS.format(month.name)):
            return False
        await tx.execute(f"ALTER TABLE {month.table} DETACH PARTITION {month.name}")
        await tx.execute(f"DROP TABLE {month.name}")
    return True


async def count_misplaced(held: Connection) -> int:
    """Rows in the default partitions, up to a thousand of each: no month was made for them."""
    names = [each.name for each in await read_partitions(held) if each.is_default]
    counts = [
        f"(SELECT count(*) FROM (SELECT FROM {name} LIMIT {MOST_COUNTED}) AS few)"  # noqa: S608
        for name in names
    ]
    return int(await held.fetchval(f"SELECT {' + '.join(counts) or 0}"))
