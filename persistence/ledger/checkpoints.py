"""Closed months in the database. Set-based SQL: a month has millions of transfers and messages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson
from asyncpg import Record

from domain.ledger.checkpoints import AccountAtClose, Checkpoint, MonthPage, SendsOfMonth
from persistence.database import Connection, columns, fetch_value, orm, transaction
from persistence.ledger import models
from persistence.ledger.charges import charges_between
from persistence.ledger.reconcile import AVOID_NESTED_LOOPS, END_OF_PAGE
from persistence.long_reads import steady_read
from persistence.rows import object_of
from persistence.sending.of_send import messages_between

MOST_SENDS = 10_000
MOST_MESSAGES = 30_000
"""How much of the sends one page reads, so that a statement takes less than 200 ms."""

# The time in the ID of the first send: UUIDv7 begins with 48 bits of milliseconds.
FIRST_MOMENT = """
SELECT least((SELECT min(created_at) FROM account), to_timestamp((
    SELECT ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0
    FROM send ORDER BY id LIMIT 1)))
"""
CLOSED_ACCOUNTS = """
SELECT account_id, version, balance, moved FROM ledger_checkpoint_account
WHERE checkpoint_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3
"""
# Ends before the first transfer that was created after the month, whatever comes after that one.
MONTH_PAGES = """
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::int8[]) AS each (account_id, proven_version)
), ends AS (
    SELECT account_id, moved.* FROM wanted CROSS JOIN LATERAL (
        SELECT source_version AS version, source_balance AS balance, -amount AS change, kind,
               created_at
        FROM transfer
        WHERE source_id = account_id
          AND source_version > proven_version AND source_version <= proven_version + $4
        UNION ALL
        SELECT destination_version, destination_balance, amount, kind, created_at
        FROM transfer
        WHERE destination_id = account_id
          AND destination_version > proven_version AND destination_version <= proven_version + $4
    ) AS moved
), cut AS (
    SELECT account_id, min(version) FILTER (WHERE created_at >= $3) AS version,
           count(*) AS entries
    FROM ends GROUP BY account_id
)
SELECT wanted.account_id, ends.kind, sum(change)::int8 AS units, max(ends.version) AS version,
       (array_agg(balance ORDER BY ends.version DESC))[1] AS balance,
       bool_and(cut.version IS NOT NULL OR coalesce(entries, 0) < $4) AS is_last
FROM wanted LEFT JOIN cut USING (account_id)
LEFT JOIN ends ON ends.account_id = wanted.account_id
    AND (cut.version IS NULL OR ends.version < cut.version)
GROUP BY wanted.account_id, ends.kind
"""
SUM_SENDS = f"""
SELECT (SELECT count(*) FROM send WHERE id > $1 AND id <= $2) AS sends,
       (SELECT coalesce(sum(accepted), 0)::int8 FROM send WHERE id > $1 AND id <= $2) AS messages,
       (SELECT coalesce(sum(amount), 0)::int8 FROM {charges_between("amount")}) AS charged,
       (SELECT coalesce(sum(amount), 0)::int8 FROM transfer
        WHERE kind = 'REFUND' AND send_id > $1 AND send_id <= $2) AS refunded,
       (SELECT coalesce(sum(CASE WHEN source_id = account_id THEN amount ELSE -amount END), 0)::int8
        FROM transfer JOIN send ON send.id = send_id AND send.id > $1 AND send.id <= $2
        WHERE transfer.kind = 'RECONCILE' AND send_id > $1 AND send_id <= $2) AS corrected,
       (SELECT coalesce(jsonb_object_agg(status, messages), '{{}}') FROM (
            SELECT status, count(*) AS messages FROM {messages_between("status")}
            GROUP BY status) AS counted) AS statuses
"""  # noqa: S608 - names of our own


async def first_moment() -> datetime | None:
    found: datetime | None = await fetch_value(FIRST_MOMENT)
    return found


async def read_checkpoints() -> list[Checkpoint]:
    return [
        object_of(Checkpoint, row, id=UUID(int=row.id.int), sends=object_of(SendsOfMonth, row))
        for row in await models.LedgerCheckpoint.all().order_by("id")
    ]


async def read_closed_accounts(
    checkpoint_id: UUID, after: UUID, *, most: int
) -> list[AccountAtClose]:
    rows = await steady_read(lambda held: held.fetch(CLOSED_ACCOUNTS, checkpoint_id, after, most))
    return [AccountAtClose(row[0], row[1], row[2], orjson.loads(row[3])) for row in rows]


async def read_month(
    accounts: Sequence[AccountAtClose], *, ends_at: datetime, most: int
) -> list[MonthPage]:
    proven = columns([(each.account_id, each.version) for each in accounts])
    rows = await steady_read(lambda held: held.fetch(MONTH_PAGES, *proven, ends_at, most))
    found: dict[UUID, list[Record]] = {each.account_id: [] for each in accounts}
    for row in rows:
        found[row["account_id"]].append(row)
    return [_month_page(each, found[each.account_id]) for each in accounts]


def _month_page(before: AccountAtClose, rows: Sequence[Record]) -> MonthPage:
    """The page of an account from its sums by kind. Without transfers, the only row has no kind."""
    kinds = [row for row in rows if row["kind"] is not None]
    last = max(kinds, key=lambda row: int(row["version"]), default=None)
    return MonthPage(
        account_id=before.account_id,
        version=last["version"] if last else before.version,
        balance=last["balance"] if last else before.balance,
        moved={row["kind"]: row["units"] for row in kinds},
        is_last=all(row["is_last"] for row in rows),
    )


async def sum_sends(after: UUID, until: UUID) -> tuple[UUID, SendsOfMonth] | None:
    if after >= until:
        return None

    async def read(held: Connection) -> tuple[UUID, SendsOfMonth]:
        end = await held.fetchval(END_OF_PAGE, after, MOST_SENDS, MOST_MESSAGES)
        last_id = min(UUID(int=end.int), until) if end is not None else until
        async with held.transaction(readonly=True):
            await held.execute(AVOID_NESTED_LOOPS)
            row = await held.fetchrow(SUM_SENDS, after, last_id)
        assert row is not None
        return last_id, object_of(SendsOfMonth, row, statuses=orjson.loads(row["statuses"]))

    return await steady_read(read)


async def write_checkpoint(checkpoint: Checkpoint, accounts: Sequence[AccountAtClose]) -> None:
    rows = [
        models.LedgerCheckpointAccount(checkpoint_id=checkpoint.id, **asdict(each))
        for each in accounts
    ]
    with suppress(asyncpg.UniqueViolationError):  # this month is closed already
        async with transaction() as tx:
            await models.LedgerCheckpoint.create(
                using_db=orm(tx), **asdict(checkpoint) | asdict(checkpoint.sends)
            )
            await models.LedgerCheckpointAccount.bulk_create(
                rows, batch_size=10_000, using_db=orm(tx)
            )
