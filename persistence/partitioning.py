"""Makes an existing table partitioned by month, with its rows in place, while it is in use.

The table becomes the first partition of a new table of the same name. No row is copied. A CHECK
that was validated before proves the range of its IDs, so the change itself takes milliseconds.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import asyncpg
from asyncpg import Record

from domain.ids import first_id_at
from domain.loops import backoff_seconds
from persistence.partitions import (
    BRIEFLY,
    COLUMNS,
    HAS_ROWS,
    LATEST,
    AnyConnection,
    month_after,
    month_of,
    time_of,
)
from persistence.servers import credentials

Answer = TypeVar("Answer")

NOTICE = timedelta(days=40)
"""How far ahead the first partition ends, at least: no row may come after its end while that is
being checked."""

GIVE_UP_SECONDS = 600.0

KIND = "SELECT relkind::text FROM pg_class WHERE oid = $1::text::regclass"
# `sent_to` is filled after the messages are written, so no ID there is newer than in `message`.
NEWEST = "SELECT id FROM {} ORDER BY id DESC LIMIT 1"
CHECK = """
SELECT convalidated, substring(pg_get_constraintdef(oid) FROM '[0-9a-f]{8}-[0-9a-f-]+')::uuid
FROM pg_constraint WHERE conrelid = $1::text::regclass AND conname = $2
"""
INDEXES = """
SELECT index.relname AS name, pg_get_indexdef(index.oid) AS definition, contype::text AS kind,
       pg_get_constraintdef(pg_constraint.oid) AS constraint,
       indisunique AND NOT EXISTS (
           SELECT FROM pg_attribute WHERE attrelid = indrelid AND attname = $2::text
           AND attnum = ANY(indkey)) AS is_left_out
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid
WHERE indrelid = $1::text::regclass ORDER BY 1
"""
TRIGGERS = """
SELECT tgname AS name, pg_get_triggerdef(oid) AS definition
FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal
"""
GRANTS = """
SELECT format('GRANT %s ON %I TO %s', string_agg(privilege_type, ', '), $1::text,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
WHERE pg_class.oid = $1::text::regclass AND grantee <> relowner GROUP BY grantee
"""
LIKE = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION"


async def partition(held: AnyConnection, table: str, *, left_out: str | None = None) -> None:
    """Makes the table partitioned by month. Safe to repeat, also after an interruption.

    `left_out`: a trigger that the new table does not get. Raises LockNotAvailableError if the table
    is in use for too long.
    """
    if await is_partitioned(held, table):
        return
    until = await _check_end(held, table)
    async with held.transaction():
        await held.execute(BRIEFLY)
        await _replace(held, table, until, left_out)
    if await has_rows(held, table):  # statistics of an empty table mislead
        await held.execute(f"ANALYZE {table}")


async def move_events(url: str) -> None:
    """Partitions the webhook events of an installation whose table is not partitioned yet.

    No program of an older release may run: it could not store events. Safe to repeat. Raises
    LockNotAvailableError if others hold the table for GIVE_UP_SECONDS.
    """

    async def move(held: AnyConnection) -> None:
        await partition(held, "webhook_event", left_out="webhook_event_guarded")

    await with_patience(url, move)


async def with_patience(url: str, work: Callable[[AnyConnection], Awaitable[Answer]]) -> Answer:
    """Runs `work` on its own connection, again and again while a table is in use for too long.

    Raises LockNotAvailableError after GIVE_UP_SECONDS.
    """
    settings = {
        "lock_timeout": "1s",
        "statement_timeout": "0",
        "application_name": "ibiki partitions",
    }
    held = await asyncpg.connect(**credentials(url), server_settings=settings)
    began, failures = time.monotonic(), 0
    try:
        while True:
            try:
                return await work(held)
            except asyncpg.LockNotAvailableError:
                if time.monotonic() - began > GIVE_UP_SECONDS:
                    raise
                failures += 1
                await asyncio.sleep(backoff_seconds(failures, longest_seconds=5.0))
    finally:
        await held.close()


async def is_partitioned(held: AnyConnection, table: str) -> bool:
    """Whether the table is partitioned."""
    return bool(await held.fetchval(KIND, table) == "p")


async def has_rows(held: AnyConnection, table: str) -> bool:
    """Whether there is any row."""
    return bool(await held.fetchval(HAS_ROWS.format(table)))


async def _check_end(held: AnyConnection, table: str) -> UUID:
    """Proves that all IDs are below the end of a month, and returns it.

    Adding the constraint needs a lock for a moment. Validating it reads the table, but blocks
    neither reads nor writes.
    """
    name, now = f"{table}_first_ends", datetime.now(UTC)
    found = await held.fetchrow(CHECK, table, name)
    if found is None or found[1] < first_id_at(now + NOTICE / 2):
        end = await _first_end(held, table, now)
        drop = f"DROP CONSTRAINT {name}, " if found else ""
        await held.execute(
            f"ALTER TABLE {table} {drop}"
            f"ADD CONSTRAINT {name} CHECK ({COLUMNS[table]} < '{end}') NOT VALID"
        )
    else:
        end = found[1]
    await held.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
    return end


async def _first_end(held: AnyConnection, table: str, now: datetime) -> UUID:
    """The end of the first partition: after the newest ID, also if a clock was wrong."""
    source = "message" if table == "sent_to" else table
    newest = await held.fetchval(NEWEST.format(source)) or UUID(int=0)
    latest = time_of(newest)
    if latest == LATEST:  # no UUIDv7: the first partition has no end
        return UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
    return first_id_at(month_after(month_of(max(now + NOTICE, latest))))


async def _replace(held: AnyConnection, table: str, until: UUID, left_out: str | None) -> None:
    """Replaces the table with a partitioned one, in an open transaction."""
    first = f"{table}_first"
    await held.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    indexes = await held.fetch(INDEXES, table, COLUMNS[table])
    triggers = await held.fetch(TRIGGERS, table)
    grants = await held.fetch(GRANTS, table)
    await held.execute(f"ALTER TABLE {table} RENAME TO {first}")
    for each in indexes:
        await held.execute(_set_aside(first, each))
    for each in triggers:
        await held.execute(f"DROP TRIGGER {each['name']} ON {first}")
    await held.execute(
        f"CREATE TABLE {table} (LIKE {first} {LIKE}) PARTITION BY RANGE ({COLUMNS[table]})"
    )
    await held.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_first_ends")
    for each in indexes:
        if not each["is_left_out"]:
            await held.execute(_on_parent(table, each))
    await held.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ('{until}')"
    )
    await held.execute(f"ALTER TABLE {first} DROP CONSTRAINT {table}_first_ends")
    await held.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    for each in triggers:
        if each["name"] != left_out:
            await held.execute(each["definition"])
    for each in grants:
        await held.execute(each[0])


def _set_aside(first: str, index: Record) -> str:
    """SQL that renames an index, for an index of the new table, or drops it if it cannot be one."""
    if not index["is_left_out"]:
        return f"ALTER INDEX {index['name']} RENAME TO {index['name']}_first"
    if index["kind"] is not None:
        return f"ALTER TABLE {first} DROP CONSTRAINT {index['name']}"
    return f"DROP INDEX {index['name']}"


def _on_parent(table: str, index: Record) -> str:
    """SQL for an index of the new table. ATTACH uses the equal index of the old one."""
    if index["kind"] is not None:
        return f"ALTER TABLE {table} ADD CONSTRAINT {index['name']} {index['constraint']}"
    return re.sub(r" ON (ONLY )?", " ON ", index["definition"], count=1)
