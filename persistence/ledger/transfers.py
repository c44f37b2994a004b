"""Holdings, transfers and idempotency keys.

Set-based SQL: every send passes through it, and a batch in one statement accepts 10 to 12 times as
many sends as one statement for each (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record

from domain.ledger.book import Book, Holding, NodeKind, Transfer
from domain.ledger.idempotency import IdempotencyKey, KeysTaken
from persistence.database import Connection, columns, execute, fetch, milliseconds, note, topics_of
from persistence.sql import combined

# In ID order, so that transactions cannot deadlock.
LOCK_ACCOUNTS = """
SELECT id, provider_account_id, kind, parent_id, held, version
FROM account WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
"""

LIMIT_WAITS = "SELECT set_config('lock_timeout', $1, true)"

# The IDs occur twice: with the join alone, PostgreSQL would scan the whole table if it is small.
# Every unit that comes in reduces the arrears.
CHANGE_HOLDINGS = """
UPDATE account SET held = changed.held, version = changed.version,
                   arrears = least(arrears, greatest(-changed.held, 0))
FROM unnest($1::uuid[], $2::int8[], $3::int8[]) AS changed (id, held, version)
WHERE account.id = changed.id AND account.id = ANY($1::uuid[])
"""
POST_TRANSFERS = """
INSERT INTO transfer (
    id, provider_account_id, kind, amount,
    source_id, source_balance, source_version,
    destination_id, destination_balance, destination_version,
    send_id, message_id, sync_id, actor_id, note, rate_usd, value_usd, created_at)
SELECT posted.*, clock_timestamp() FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::int8[],
    $5::uuid[], $6::int8[], $7::int8[],
    $8::uuid[], $9::int8[], $10::int8[],
    $11::uuid[], $12::uuid[], $13::uuid[], $14::uuid[], $15::text[], $16::numeric[], $17::numeric[]
) AS posted
"""
# One statement, so that holdings and transfers never differ.
WRITE_BOOK = combined(CHANGE_HOLDINGS, POST_TRANSFERS)

# The lock ends with the transaction. If two hashes collide, one request waits for the other.
TAKE_KEY = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))"

FIND_ANSWERS = "SELECT id, input_hash, answer FROM idempotency_key WHERE id = ANY($1::uuid[])"

# In ID order, so that transactions cannot deadlock.
KEEP_ANSWERS = """
INSERT INTO idempotency_key (id, scope_id, key, input_hash, answer)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::jsonb[])
ORDER BY 1 ON CONFLICT (id) DO NOTHING RETURNING id
"""

# statement_timestamp(): PostgreSQL does not use an index for a comparison with a volatile function
# such as clock_timestamp(). ARRAY: with a subquery of this size it prefers to scan the whole table.
PURGE_KEYS = """
DELETE FROM idempotency_key WHERE id = ANY (ARRAY(
    SELECT id FROM idempotency_key
    WHERE created_at < statement_timestamp() - make_interval(secs => $1)
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""


async def lock_accounts(
    tx: Connection,
    ids: Sequence[UUID],
    *,
    wait_seconds: float | None = None,
    skip_locked: bool = False,
) -> Book:
    if wait_seconds is not None:
        await tx.execute(LIMIT_WAITS, milliseconds(wait_seconds))
    statement = f"{LOCK_ACCOUNTS} SKIP LOCKED" if skip_locked else LOCK_ACCOUNTS
    return book_of(await tx.fetch(statement, list(set(ids))))


async def write_book(tx: Connection, book: Book) -> None:
    await tx.execute(WRITE_BOOK, *book_columns(tx, book))


async def take_key(tx: Connection, key: IdempotencyKey) -> None:
    await tx.execute(TAKE_KEY, key.id)


async def find_answers(
    tx: Connection | None, keys: Sequence[IdempotencyKey]
) -> dict[UUID, tuple[bytes, Mapping[str, Any]]]:
    ids = [key.id for key in keys]
    rows = await fetch(FIND_ANSWERS, ids, tx=tx)
    return {row[0]: (row[1], orjson.loads(row[2])) for row in rows}


async def keep_answers(
    tx: Connection, answers: Sequence[tuple[IdempotencyKey, Mapping[str, Any]]]
) -> None:
    rows = await tx.fetch(KEEP_ANSWERS, *answer_columns(answers))
    check_kept([key for key, _ in answers], {row[0] for row in rows})


async def purge_keys(*, age_seconds: float, most: int) -> int:
    done = await execute(PURGE_KEYS, age_seconds, most)
    return int(done.split()[-1])


def answer_columns(
    answers: Sequence[tuple[IdempotencyKey, Mapping[str, Any]]],
) -> list[list[Any]]:
    """The parameters of `KEEP_ANSWERS`."""
    rows = [
        (key.id, key.scope_id, key.key, key.input_hash, orjson.dumps(answer).decode())
        for key, answer in answers
    ]
    return columns(rows) if rows else [[]] * 5


def check_kept(keys: Iterable[IdempotencyKey], kept: Container[UUID]) -> None:
    """Raises KeysTaken unless each key is among those that were kept."""
    taken = {key.id for key in keys if key.id not in kept}
    if taken:
        raise KeysTaken(taken)


def book_of(rows: Iterable[Record]) -> Book:
    """The book of rows of `account`: ID, provider account, kind, parent, held, version."""
    return Book(
        {row[0]: Holding(row[0], row[1], NodeKind(row[2]), row[3], row[4], row[5]) for row in rows}
    )


def book_columns(tx: Connection, book: Book) -> Iterator[list[Any]]:
    """The parameters of `CHANGE_HOLDINGS` and `POST_TRANSFERS`. Notes hints for subscribers."""
    changed = book.changed()
    note(tx, (topic for holding in changed for topic in topics_of(holding)))
    yield [holding.account_id for holding in changed]
    yield [holding.held for holding in changed]
    yield [holding.version for holding in changed]
    yield from columns([_row(transfer) for transfer in book.transfers])


def _row(transfer: Transfer) -> tuple[Any, ...]:
    purpose = transfer.purpose
    return (
        transfer.id,
        transfer.provider_account_id,
        transfer.kind.value,
        transfer.amount,
        transfer.source_id,
        transfer.source_balance,
        transfer.source_version,
        transfer.destination_id,
        transfer.destination_balance,
        transfer.destination_version,
        purpose.send_id,
        purpose.message_id,
        purpose.sync_id,
        purpose.actor_id,
        purpose.note,
        purpose.rate_usd,
        purpose.value_usd,
    )
