"""Months that are over: what was sent to a number is in an index of `message`, not in `sent_to`.

The view `open_sent_to` has the rows of `sent_to` from a month on, and `closed_sent_to` the messages
before it. While a month goes on, each change of a status would add an entry to that index, and a
row of `sent_to` is written once. When it is over, an entry takes a quarter of the row.
docs/decisions/0255 says why. Then indexes that have become sparse are built again:
docs/decisions/0259.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.errors import AlreadyRunning
from domain.ids import first_id_at
from persistence.partitioning import with_patience
from persistence.partitions import BRIEFLY, AnyConnection, month_of, read_partitions, time_of

STAYS = timedelta(days=7)
"""How long after its end a month is closed: clocks differ, and numbers are captured later."""

INDEX = "message_to_number_"
CLOSING_LOCK = 0x1B1C3

SPARSE = ("message", "contact", "send", "conversation", "inbound", "webhook_event_key")
"""Tables whose indexes become half empty: entries are added between others, or go."""

# It ends with the session, also if only PostgreSQL still works on it.
ALONE = "SELECT pg_try_advisory_lock($1)"
CLOSED = "SELECT substring(pg_get_viewdef('closed_sent_to'::regclass) FROM $$id < '([0-9a-f-]+)'$$)"
INDEXES = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = 'message'::regclass AND starts_with(relname, $1)
"""
# Full pages: an entry is added only if the status of an old message changes.
BUILD = """
CREATE INDEX CONCURRENTLY {name} ON message (hashtext(number), uuid_hash(client_id), id)
WITH (fillfactor = 100) WHERE id < '{until}'
"""
DROP = "DROP INDEX CONCURRENTLY IF EXISTS {name}"
# The rows of a send are written in the transaction in which it becomes captured.
UNCAPTURED = "SELECT id FROM send WHERE NOT captured ORDER BY id LIMIT 1"
# Without the index above, which is new. One that is not valid was left by an interrupted REINDEX,
# which names the new index and the old one so. A new index gets the comment of the old one.
NOT_REBUILT = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = ANY($1::text[]::regclass[]) AND NOT starts_with(relname, $2)
  AND CASE WHEN indisvalid THEN obj_description(indexrelid, 'pg_class') IS DISTINCT FROM $3
           ELSE relname ~ '_cc(new|old)[0-9]*$' END
ORDER BY indisvalid, relname
"""
REBUILD = "REINDEX INDEX CONCURRENTLY {name}"
MARK = "COMMENT ON INDEX {name} IS '{mark}'"
# In the order in which readers name and lock them.
VIEWS = """
CREATE OR REPLACE VIEW open_sent_to AS
SELECT number::text, client_id, message_id, hashtext(number) AS number_hash,
       uuid_hash(client_id) AS client_hash
FROM sent_to WHERE message_id >= '{until}';
CREATE OR REPLACE VIEW closed_sent_to AS
SELECT number, client_id, id AS message_id, hashtext(number) AS number_hash,
       uuid_hash(client_id) AS client_hash
FROM message WHERE id < '{until}'
"""


async def close_months(url: str, now: datetime | None = None) -> list[str]:
    """Closes the months that are over. Returns the names of their partitions, which are gone.

    No program of an older release may run: it reads only `sent_to`. Safe to repeat, also after an
    interruption. Raises AlreadyRunning if another process does it, and LockNotAvailableError if
    others hold a table for too long.
    """
    limit = (now or datetime.now(UTC)) - STAYS

    async def close(held: AnyConnection) -> list[str]:
        await held.execute("SET lock_timeout = 0")  # an index waits for older transactions
        if not await held.fetchval(ALONE, CLOSING_LOCK):
            raise AlreadyRunning
        return await _close(held, limit)

    return await with_patience(url, close)


async def build_index(held: AnyConnection, until: UUID) -> None:
    """Builds the index of the messages before an ID. An interrupted build is done again."""
    name = _index_of(until)
    found = {row[0]: row[1] for row in await held.fetch(INDEXES, INDEX)}
    if not found.get(name):
        await held.execute(DROP.format(name=name))
        await held.execute(BUILD.format(name=name, until=until))
        await held.execute("ANALYZE message")  # for the hashes


async def read_index(held: AnyConnection, until: UUID) -> None:
    """Lets the views read messages before an ID instead of `sent_to`.

    A statement that waits for this reads both as they are after the transaction.
    """
    await held.execute(VIEWS.format(until=until))


async def rebuild_indexes(held: AnyConnection, mark: str) -> None:
    """Builds the indexes again that become sparse: each once for a mark, which it gets.

    An interrupted rebuild is done again.
    """
    for name, valid in await held.fetch(NOT_REBUILT, list(SPARSE), INDEX, mark):
        if valid:
            await held.execute(REBUILD.format(name=name))
            await held.execute(MARK.format(name=name, mark=mark))
        else:
            await held.execute(DROP.format(name=name))


async def _close(held: AnyConnection, limit: datetime) -> list[str]:
    end, uncaptured = first_id_at(month_of(limit)), await held.fetchval(UNCAPTURED)
    months = {
        each.name: each.until
        for each in await read_partitions(held, ["sent_to"])
        if each.until is not None and each.until <= min(end, uncaptured or end)
    }
    if months:
        until = max(months.values())
        await build_index(held, until)
        async with held.transaction():
            await held.execute(BRIEFLY)
            await read_index(held, until)
            for name in months:
                await held.execute(f"DROP TABLE {name}")
    closed = await held.fetchval(CLOSED)
    for name, _ in await held.fetch(INDEXES, INDEX):
        if closed is None or name != _index_of(UUID(closed)):
            await held.execute(DROP.format(name=name))
    if closed is not None:
        await rebuild_indexes(held, f"rebuilt since {time_of(UUID(closed)):%Y-%m}")
    return list(months)


def _index_of(until: UUID) -> str:
    return f"{INDEX}{time_of(until):%Y_%m}"
