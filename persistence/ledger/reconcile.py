"""Reconcile in the database. The checks are set-based SQL: they read millions of sends in pages.

1,000,000 single sends take about a second. Lists and look-ups are querysets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from domain.errors import AlreadyRunning, NotFound
from domain.identity.access import Everything
from domain.ids import first_id_at
from domain.ledger.reconciliation import (
    CheckedPage,
    CheckedSend,
    Difference,
    ProviderReading,
    Reconciliation,
)
from domain.live import hints
from domain.pages import Page, Window
from persistence.database import (
    Connection,
    connection,
    execute,
    fetch_value,
    note,
    orm,
    transaction,
)
from persistence.ledger import models
from persistence.ledger.charges import charges_between, transfers_of
from persistence.pages import list_page
from persistence.rows import columns_of, object_of
from persistence.sending.of_send import last_of, messages_between, messages_of
from persistence.sending.tallies import dropped

MOST_SENDS = 30_000
MOST_MESSAGES = 30_000
"""How much one page reads, so that a statement takes less than 200 ms."""

SILENT_SECONDS = 60
"""A run that has reported no progress for this long was killed."""

COLUMNS = columns_of(Reconciliation)

END_SILENT = f"""
UPDATE reconciliation SET finished_at = heartbeat_at, interrupted = true
WHERE finished_at IS NULL AND heartbeat_at < clock_timestamp() - interval '{SILENT_SECONDS} s'
"""  # noqa: S608 - a number of our own
BEGIN = f"""
INSERT INTO reconciliation (id, actor_id, dry_run, since, unknown_before, unknown_left)
SELECT $1, $2, $3, $4, count(*), count(*) FROM message WHERE status = 'UNKNOWN'
RETURNING {COLUMNS}
"""  # noqa: S608 - columns of our own
COUNT_CHECKED = f"""
UPDATE reconciliation
SET sends_checked = $2, messages_checked = $3, heartbeat_at = clock_timestamp()
WHERE id = $1 RETURNING {COLUMNS}
"""  # noqa: S608 - columns of our own
# updated_at changes with the status: a message that was UNKNOWN at the start and did not change
# since was not resolved.
FINISH = f"""
UPDATE reconciliation
SET finished_at = coalesce(finished_at, clock_timestamp()), heartbeat_at = clock_timestamp(),
    interrupted = false,
    unknown_left = (SELECT count(*) FROM message WHERE status = 'UNKNOWN'),
    unknown_resolved = greatest(unknown_before - (
        SELECT count(*) FROM message WHERE status = 'UNKNOWN' AND updated_at < started_at), 0)
WHERE id = $1 RETURNING {COLUMNS}
"""  # noqa: S608 - columns of our own

# The end of the next page, an ID: at most this many sends, and about this many messages. Counts
# entries of indexes. NULL if there are no more sends.
END_OF_PAGE = f"""
SELECT least(
    (SELECT id FROM send WHERE id > $1 ORDER BY id DESC LIMIT 1),
    (SELECT id FROM send WHERE id > $1 ORDER BY id OFFSET $2 - 1 LIMIT 1),
    (SELECT id FROM message WHERE id > {last_of("$1")} ORDER BY id OFFSET $3 - 1 LIMIT 1),
    (SELECT send_id FROM message
     WHERE by_send AND send_id > $1 ORDER BY send_id, id OFFSET $3 - 1 LIMIT 1))
"""  # noqa: S608 - names of our own
# Without nested loops: PostgreSQL cannot estimate how many rows a page has, and a page with
# nested loops took many seconds. So it merges the ranges, each in the order of its index.
AVOID_NESTED_LOOPS = "SET LOCAL enable_nestloop = off"
# A page does not read whether a reading has refunded a message. So sends with such messages are
# suspicious, and are checked again.
CHECK = f"""
SELECT count(*), coalesce(sum(messages), 0)::int8,
       array_agg(id) FILTER (
           WHERE (coalesce(messages, 0) + coalesce(unwritten, 0) - coalesce(given_back, 0)
                  + {dropped("messages")} - {dropped("REJECTED")} - {dropped("CANCELLED")})
                 * send.price
              <> coalesce(charge.amount, 0) + coalesce(changed.units, 0))
FROM send
LEFT JOIN (
    SELECT send_id, count(*) AS messages,
           count(*) FILTER (WHERE status IN ('REJECTED', 'CANCELLED')) AS given_back
    FROM {messages_between("send_id, status")} GROUP BY send_id
) AS counted ON counted.send_id = send.id
LEFT JOIN send_job AS job
    ON job.send_id = send.id AND job.send_id > $1 AND job.send_id <= $2
LEFT JOIN {charges_between("send_id, amount")} ON charge.send_id = send.id
LEFT JOIN (
    SELECT send_id, sum(units) AS units FROM (
        SELECT send_id, -amount AS units FROM transfer
        WHERE kind = 'REFUND' AND send_id > $1 AND send_id <= $2
        UNION ALL
        SELECT send_id, CASE WHEN source_id = (SELECT account_id FROM send WHERE id = send_id)
                             THEN amount ELSE -amount END
        FROM transfer WHERE kind = 'RECONCILE' AND send_id > $1 AND send_id <= $2
        UNION ALL
        SELECT send_id, expected - found FROM reconciliation_difference
        WHERE in_reading AND send_id > $1 AND send_id <= $2
    ) AS change
    GROUP BY send_id
) AS changed ON changed.send_id = send.id
WHERE send.id > $1 AND send.id <= $2
"""  # noqa: S608 - sums of our own

# FOR SHARE, before any account: a sync waits, so that its reading and the epoch do not change.
SHARE_PROVIDER_ACCOUNT = """
SELECT account_id, unit, epoch, read_at FROM provider_account
WHERE id = (SELECT provider_account_id FROM send WHERE id = $1) FOR SHARE
"""
# The client's node and the pool's, in ID order as everywhere, so that transactions cannot deadlock.
LOCK_ACCOUNTS_OF_SEND = """
SELECT FROM account WHERE id IN (
    SELECT unnest(ARRAY[send.account_id, upstream.account_id]) FROM send
    JOIN provider_account AS upstream ON upstream.id = send.provider_account_id
    WHERE send.id = $1)
ORDER BY id FOR UPDATE
"""
CHECKED_SEND = f"""
SELECT send.id, send.client_id, send.account_id, send.price, send.rate_usd, send.created_at,
       messages + coalesce(unwritten + cancelled, 0) + {dropped("messages")},
       given_back + coalesce(cancelled, 0) + {dropped("givenBack")},
       greatest(given_back_at, cancelled_at), coalesce(given_back_older, false),
       charged, refunded, last_refund_at, last_refund_from_pool,
       corrected + in_reading AS corrected
FROM send LEFT JOIN send_job ON send_job.send_id = send.id
CROSS JOIN LATERAL (
    SELECT count(*) AS messages, count(*) FILTER (WHERE is_given_back) AS given_back,
           max(message.updated_at) FILTER (WHERE is_given_back) AS given_back_at,
           bool_and(attempt.epoch < $2) FILTER (
               WHERE is_given_back AND message.attempt_id IS NOT NULL
                 -- The epochs of another account say nothing about this pool.
                 AND message.route_id IS NULL) AS given_back_older
    FROM {messages_of("send.id", "*")} LEFT JOIN attempt ON attempt.id = message.attempt_id
    CROSS JOIN LATERAL (
        SELECT status IN ('REJECTED', 'CANCELLED') AND NOT in_reading AS is_given_back) AS each
) AS counted
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount) FILTER (WHERE kind = 'SEND'), 0)::int8 AS charged,
           coalesce(sum(amount) FILTER (WHERE kind = 'REFUND'), 0)::int8 AS refunded,
           max(created_at) FILTER (WHERE kind = 'REFUND') AS last_refund_at,
           coalesce((array_agg(source_id IS NOT NULL ORDER BY created_at DESC)
                     FILTER (WHERE kind = 'REFUND'))[1], false) AS last_refund_from_pool,
           coalesce(sum(CASE WHEN source_id = send.account_id THEN amount ELSE -amount END)
                    FILTER (WHERE kind = 'RECONCILE'), 0)::int8 AS corrected
    FROM {transfers_of("send.id")}
) AS moved
CROSS JOIN LATERAL (
    SELECT coalesce(sum(expected - found), 0)::int8 AS in_reading
    FROM reconciliation_difference AS earlier WHERE earlier.send_id = send.id AND in_reading
) AS read
WHERE send.id = $1
"""  # noqa: S608 - sums of our own
ALLOW_ARREARS = "UPDATE account SET arrears = greatest(arrears, $2) WHERE id = $1"
ADD_UNITS = """
UPDATE reconciliation SET charged_missing = charged_missing + greatest($2::int8, 0),
                          refunded_excess = refunded_excess + greatest(-$2::int8, 0),
                          heartbeat_at = clock_timestamp()
WHERE id = $1
"""

ESTIMATE_SENDS = """
SELECT sum(greatest(reltuples, 0))::int8 FROM pg_class
WHERE oid IN ('send'::regclass, 'imported_line'::regclass)
"""

START_DAILY = """
UPDATE scheduled_run SET started_at = clock_timestamp()
WHERE name = $1 AND (started_at IS NULL OR started_at < $2)
"""


async def begin_reconciliation(
    id: UUID, actor_id: UUID | None, *, dry_run: bool, since: datetime | None
) -> Reconciliation:
    try:
        async with transaction() as tx:
            await tx.execute(END_SILENT)
            row = await tx.fetchrow(BEGIN, id, actor_id, dry_run, since)
    except asyncpg.UniqueViolationError as open_run:
        raise AlreadyRunning from open_run
    assert row is not None
    return object_of(Reconciliation, row)


async def check_sends(after: UUID, *, since: datetime | None) -> CheckedPage | None:
    if since is not None:
        after = max(after, first_id_at(since))
    async with connection() as pooled:
        last_id = await pooled.fetchval(END_OF_PAGE, after, MOST_SENDS, MOST_MESSAGES)
        if last_id is None:
            return None
        async with pooled.transaction(readonly=True):
            await pooled.execute(AVOID_NESTED_LOOPS)
            row = await pooled.fetchrow(CHECK, after, last_id)
    assert row is not None
    return CheckedPage(last_id, row[0], row[1], sorted(row[2] or []))


async def count_checked(run_id: UUID, *, sends: int, messages: int) -> Reconciliation:
    return await _update(COUNT_CHECKED, run_id, sends, messages)


async def finish_reconciliation(run_id: UUID) -> Reconciliation:
    """Ends a run, with the counts of UNKNOWN messages. Safe to repeat."""
    run = await _update(FINISH, run_id)
    # Differences that are found or corrected change the state and the alarms of pools.
    async with connection() as pooled:
        pools = await pooled.fetch("SELECT id FROM provider_account")
        note(pooled, [hints.POOL + row["id"].bytes for row in pools])
    return run


async def share_provider_account(tx: Connection, send_id: UUID) -> ProviderReading:
    row = await tx.fetchrow(SHARE_PROVIDER_ACCOUNT, send_id)
    if row is None:
        raise NotFound("send")
    return ProviderReading(*row)


async def lock_checked_send(tx: Connection, send_id: UUID, *, epoch: int) -> CheckedSend:
    await tx.execute(LOCK_ACCOUNTS_OF_SEND, send_id)
    row = await tx.fetchrow(CHECKED_SEND, send_id, epoch)
    if row is None:
        raise NotFound("send")
    return CheckedSend(*row)


async def allow_arrears(tx: Connection, account_id: UUID, units: int) -> None:
    await tx.execute(ALLOW_ARREARS, account_id, units)


async def write_difference(tx: Connection, difference: Difference) -> None:
    await models.ReconciliationDifference.create(using_db=orm(tx), **asdict(difference))
    if not difference.in_reading:
        units = difference.expected - difference.found
        await tx.execute(ADD_UNITS, difference.reconciliation_id, units)
    note(tx, [hints.RECONCILIATION + difference.reconciliation_id.bytes])


async def find_reconciliation(_scope: Everything, run_id: UUID) -> Reconciliation:
    row = await models.Reconciliation.get_or_none(id=run_id)
    if row is None:
        raise NotFound("reconciliation")
    return object_of(Reconciliation, row)


async def read_reconciliations(_scope: Everything, window: Window[UUID]) -> Page[Reconciliation]:
    page = await list_page(models.Reconciliation.all(), window, count=True)
    return page.with_items([object_of(Reconciliation, row) for row in page.items])


async def read_differences(
    _scope: Everything, run_ids: Sequence[UUID], *, most: int
) -> dict[UUID, list[Difference]]:
    found: dict[UUID, list[Difference]] = {}
    for run_id in run_ids:
        rows = models.ReconciliationDifference.filter(reconciliation_id=run_id)
        found[run_id] = [
            object_of(Difference, row) for row in await rows.order_by("id").limit(most)
        ]
    return found


async def estimate_sends() -> int:
    """About how many sends and imported lines there are, from the statistics of the tables."""
    return int(await fetch_value(ESTIMATE_SENDS))


async def start_daily(name: str, *, not_since: datetime) -> bool:
    """Whether this process may do the daily work: True once, for one process, after that time."""
    return await execute(START_DAILY, name, not_since) == "UPDATE 1"


async def _update(statement: str, run_id: UUID, *values: Any) -> Reconciliation:
    async with connection() as pooled:
        row = await pooled.fetchrow(statement, run_id, *values)
        note(pooled, [hints.RECONCILIATION + run_id.bytes])
    if row is None:
        raise NotFound("reconciliation")
    return object_of(Reconciliation, row)
