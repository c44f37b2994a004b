"""The audit in the database: its runs, and the pages that it reads.

Set-based SQL over millions of rows. Each page is one statement, so it sees one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from asyncpg import Record

from domain.errors import AlreadyRunning, NotFound
from domain.identity.access import Everything
from domain.ledger.audits import (
    MOST_LISTED,
    AccountPage,
    Audit,
    AuditState,
    ProvenChain,
    SendPage,
)
from domain.ledger.checkpoints import AccountStart
from domain.live import hints
from domain.pages import Page, Window
from domain.sending.messages import TAKEN
from persistence.database import Connection, columns, connection, fetch_row, note, transaction
from persistence.ledger.charges import charges_between
from persistence.ledger.reconcile import AVOID_NESTED_LOOPS, END_OF_PAGE
from persistence.ledger.singles import DIFFERS
from persistence.long_reads import steady_read
from persistence.long_reads import steady_reads as steady_reads
from persistence.pages import Filter, read_page
from persistence.rows import object_of
from persistence.sending.of_send import messages_between
from persistence.sending.tallies import (
    DROPPED,
    HAS_TALLY,
    NOT_OPEN,
    WEIGHT_OF_MESSAGE,
    WEIGHT_OF_TALLY,
    WEIGHTS,
)

MOST_SENDS = 2_000
MOST_MESSAGES = 20_000
"""How much of the sends one page reads, so that a statement takes less than 100 ms."""

SILENT_SECONDS = 60
"""An audit that has reported no progress for this long was killed."""

IS_SILENT = f"""
state = 'RUNNING' AND checked_at < clock_timestamp() - interval '{SILENT_SECONDS} s'
"""
# A run whose process was killed is shown as STOPPED even before its row is changed.
AUDIT_COLUMNS = f"""
id, actor_id, CASE WHEN {IS_SILENT} THEN 'STOPPED' ELSE state END AS state, started_at, checked_at,
finished_at, proven_until, rows_expected, accounts_checked, transfers_checked, messages_checked,
violations
"""
AUDITS = f"SELECT {AUDIT_COLUMNS} FROM ledger_audit {{page}}"  # noqa: S608 - columns of our own
LAST_AUDIT = f"""
SELECT {AUDIT_COLUMNS} FROM ledger_audit WHERE state = 'FINISHED' ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - columns of our own

END_SILENT = f"UPDATE ledger_audit SET state = 'STOPPED' WHERE {IS_SILENT}"  # noqa: S608
# From a checkpoint: twice the new versions of accounts, because a send has a message at least.
BEGIN = f"""
WITH newest AS (
    SELECT id, ends_at FROM ledger_checkpoint WHERE NOT $3 ORDER BY id DESC LIMIT 1
)
INSERT INTO ledger_audit (id, actor_id, proven_until, rows_expected)
SELECT $1, $2, (SELECT ends_at FROM newest), coalesce(
    (SELECT 2 * greatest(sum(account.version - coalesce(closed.version, 0)), 0)
     FROM newest CROSS JOIN account LEFT JOIN ledger_checkpoint_account AS closed
         ON closed.account_id = account.id AND checkpoint_id = newest.id
     HAVING count(*) > 0),
    (SELECT sum(greatest(reltuples, 0))::int8 FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid
     WHERE relkind = 'r' AND coalesce(inhparent, oid) = ANY('{{transfer,message}}'::regclass[])), 0)
RETURNING {AUDIT_COLUMNS}
"""  # noqa: S608 - columns of our own
COUNT_AUDITED = f"""
UPDATE ledger_audit
SET accounts_checked = $2, transfers_checked = $3, messages_checked = $4, violations = $5,
    checked_at = clock_timestamp()
WHERE id = $1 AND state = 'RUNNING' RETURNING {AUDIT_COLUMNS}
"""  # noqa: S608 - columns of our own
FINISH = f"""
UPDATE ledger_audit
SET state = 'FINISHED', finished_at = coalesce(finished_at, clock_timestamp()),
    checked_at = coalesce(finished_at, clock_timestamp())
WHERE id = $1 AND state <> 'STOPPED' RETURNING {AUDIT_COLUMNS}
"""  # noqa: S608 - columns of our own
STOP = "UPDATE ledger_audit SET state = 'STOPPED' WHERE id = $1 AND state = 'RUNNING'"

# The account IDs in transfers: one index look-up for each ID, not for each transfer.
_DISTINCT = """{end}s AS (
    (SELECT {end}_id AS id FROM transfer WHERE {end}_id > $1 ORDER BY {end}_id LIMIT 1)
    UNION ALL
    SELECT (SELECT {end}_id FROM transfer WHERE {end}_id > {end}s.id ORDER BY {end}_id LIMIT 1)
    FROM {end}s WHERE id IS NOT NULL
)"""
NEXT_ACCOUNTS = f"""
WITH RECURSIVE {_DISTINCT.format(end="source")}, {_DISTINCT.format(end="destination")}
SELECT id, coalesce(account.version, 0), coalesce(closed.version, 0), coalesce(balance, 0)
FROM (
    (SELECT id FROM account WHERE id > $1 ORDER BY id LIMIT $2)
    UNION (SELECT id FROM sources WHERE id IS NOT NULL LIMIT $2)
    UNION (SELECT id FROM destinations WHERE id IS NOT NULL LIMIT $2)
) AS found LEFT JOIN account USING (id)
LEFT JOIN ledger_checkpoint_account AS closed ON account_id = found.id AND checkpoint_id = $3
ORDER BY id LIMIT $2
"""  # noqa: S608 - a statement of our own

IS_POOL = "coalesce(kind = 'POOL', false)"
# Both ends of each transfer, with the signed amount. A transfer is counted at its source, or at its
# destination if it comes from outside.
ACCOUNT_PAGES = f"""
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int8[]) WITH ORDINALITY
        AS each (id, proven_version, proven_balance, position)
), ends AS (
    SELECT wanted.id AS account_id, proven_version, proven_balance, moved.*
    FROM wanted CROSS JOIN LATERAL (
        SELECT source_version AS version, source_balance AS balance, -amount AS change,
               provider_account_id, true AS counts, send_id
        FROM transfer
        WHERE source_id = wanted.id
          AND source_version > proven_version AND source_version <= proven_version + $4
        UNION ALL
        SELECT destination_version, destination_balance, amount, provider_account_id,
               source_id IS NULL, send_id
        FROM transfer
        WHERE destination_id = wanted.id
          AND destination_version > proven_version AND destination_version <= proven_version + $4
    ) AS moved
), chain AS (
    SELECT *, lag(version, 1, proven_version) OVER each AS version_before,
           lag(balance, 1, proven_balance) OVER each AS balance_before
    FROM ends WINDOW each AS (PARTITION BY account_id ORDER BY version)
), proven AS (
    SELECT account_id, count(*) AS entries, count(*) FILTER (WHERE counts) AS transfers,
           sum(change) AS total, (array_agg(balance ORDER BY chain.version DESC))[1] AS balance,
           min(chain.version) FILTER (
               WHERE chain.version <> version_before + 1 OR balance <> balance_before + change
           ) AS broken_at,
           min(chain.version) FILTER (
               WHERE chain.provider_account_id <> account.provider_account_id) AS foreign_at,
           array_agg(DISTINCT send_id) FILTER (WHERE send_id <= $5) AS closed_sends
    FROM chain LEFT JOIN account ON account.id = account_id GROUP BY account_id
)
SELECT wanted.id AS account_id, account.id IS NOT NULL AS exists,
       {IS_POOL} AS is_pool, {IS_POOL} AND {DIFFERS} AS is_miscounted, coalesce(held, 0) AS held,
       coalesce(account.version, 0) AS version, coalesce(arrears, 0) AS arrears,
       coalesce(entries, 0) AS entries, coalesce(transfers, 0) AS transfers,
       coalesce(total, 0) AS total, proven.balance, broken_at, foreign_at,
       greatest(0, (SELECT source_version FROM transfer WHERE source_id = wanted.id
            ORDER BY source_version DESC LIMIT 1),
           (SELECT destination_version FROM transfer WHERE destination_id = wanted.id
            ORDER BY destination_version DESC LIMIT 1)) AS highest_version,
       coalesce(closed_sends, '{{}}') AS closed_sends
FROM wanted
LEFT JOIN account ON account.id = wanted.id
LEFT JOIN proven ON proven.account_id = wanted.id
ORDER BY position
"""  # noqa: S608 - a condition of our own

# Also the sends that only a message or a transfer names: their rows were deleted by hand.
LAST_SEND_ID = """
SELECT coalesce(greatest(
    (SELECT id FROM send ORDER BY id DESC LIMIT 1),
    (SELECT id FROM message ORDER BY id DESC LIMIT 1),
    (SELECT send_id FROM message WHERE by_send ORDER BY send_id DESC LIMIT 1),
    (SELECT send_id FROM send_job ORDER BY send_id DESC LIMIT 1),
    (SELECT id FROM transfer ORDER BY id DESC LIMIT 1),
    (SELECT send_id FROM transfer WHERE kind = 'REFUND' ORDER BY send_id DESC LIMIT 1),
    (SELECT send_id FROM transfer WHERE kind = 'RECONCILE' ORDER BY send_id DESC LIMIT 1)
), '00000000-0000-0000-0000-000000000000')
"""
# Compares each send with its messages and transfers. It must be charged once, for exactly its
# messages, and refunded once, for exactly those that the provider did not accept. Corrections by
# reconcile count, with or without a transfer.
#
# `entry`: what each table says about a send. `checked`: their sums by send, in one aggregate: with
# joins of aggregates, PostgreSQL can choose nested loops. `tally`: the counters of a send, less its
# messages. Each status has its own weight, so one sum compares the counters of all statuses.
SENDS = f"""
WITH entry (id, accepted, price, messages, given_back, charged, refunded, corrected, route_credit,
            route_cost, stray, tally) AS (
    SELECT id, accepted, price, 0, 0, 0::int8, 0::int8, 0::int8, 0::int8, 0::int8, NULL,
           CASE WHEN {HAS_TALLY} THEN accepted * {WEIGHTS["queued"]}::int8 END
    FROM send WHERE id > $1 AND id <= $2
    UNION ALL {DROPPED} UNION ALL {NOT_OPEN}
    UNION ALL
    SELECT message.send_id, NULL, NULL, 1,
           (status IN ('REJECTED', 'CANCELLED') AND NOT in_reading)::int, 0, 0, 0,
           -- What the transfers of routes must be, with the other sign.
           CASE WHEN route_id IS NOT NULL AND status = ANY($4::text[])
                THEN -message.price ELSE 0 END,
           -coalesce(route_charged, 0),
           CASE WHEN message.client_id <> send.client_id OR message.price <> send.price
                  OR CASE WHEN route_id IS NULL
                     THEN message.provider_account_id <> send.provider_account_id
                     ELSE NOT EXISTS (
                         SELECT FROM provider_route AS route
                         WHERE route.id = route_id AND pool_id = send.provider_account_id
                           AND message.provider_account_id
                               IN (route.provider_account_id, route.fallback_account_id)) END
                THEN 'message ' || message.id END, -({WEIGHT_OF_MESSAGE})
    FROM {messages_between("*")}
    LEFT JOIN send ON send.id = message.send_id AND send.id > $1 AND send.id <= $2
    UNION ALL
    -- Messages that are not written yet, or were cancelled before. They are counted like others.
    SELECT send_id, NULL, NULL, unwritten + cancelled, cancelled, 0, 0, 0, 0, 0,
           CASE WHEN job.client_id <> send.client_id OR job.price <> send.price
                  OR job.provider_account_id <> send.provider_account_id
                THEN 'the job' END,
           -(unwritten * {WEIGHTS["queued"]}::int8 + cancelled * {WEIGHTS["cancelled"]}::int8)
    FROM send_job AS job LEFT JOIN send ON send.id = send_id AND send.id > $1 AND send.id <= $2
    WHERE send_id > $1 AND send_id <= $2
    UNION ALL
    SELECT send_id, NULL, NULL, 0, 0, amount, 0, 0, 0, 0,
           CASE WHEN source_id <> account_id THEN 'transfer ' || charge.id END, 0
    FROM {charges_between("id, send_id, amount, source_id")}
    LEFT JOIN send ON send.id = send_id AND send.id > $1 AND send.id <= $2
    UNION ALL
    SELECT send_id, NULL, NULL, 0, 0, 0, amount, 0, 0, 0,
           CASE WHEN destination_id <> account_id THEN 'transfer ' || transfer.id END, 0
    FROM transfer LEFT JOIN send ON send.id = send_id AND send.id > $1 AND send.id <= $2
    WHERE transfer.kind = 'REFUND' AND send_id > $1 AND send_id <= $2
    UNION ALL
    SELECT send_id, NULL, NULL, 0, 0, 0, 0,
           CASE WHEN source_id = account_id THEN amount ELSE -amount END, 0, 0,
           CASE WHEN coalesce(source_id <> account_id, true)
                 AND coalesce(destination_id <> account_id, true)
                THEN 'transfer ' || transfer.id END, 0
    FROM transfer LEFT JOIN send ON send.id = send_id AND send.id > $1 AND send.id <= $2
    WHERE transfer.kind = 'RECONCILE' AND send_id > $1 AND send_id <= $2
    UNION ALL
    SELECT send_id, NULL, NULL, 0, 0, 0, 0, 0,
           CASE WHEN transfer.kind <> 'ROUTE_CREDIT' THEN 0
                WHEN source_id IS NULL THEN amount ELSE -amount END,
           CASE WHEN transfer.kind <> 'ROUTE_COST' THEN 0
                WHEN source_id IS NULL THEN -amount ELSE amount END,
           CASE WHEN transfer.kind = 'ROUTE_CREDIT'
                 AND transfer.provider_account_id <> send.provider_account_id
                THEN 'transfer ' || transfer.id END, 0
    FROM transfer LEFT JOIN send ON send.id = send_id AND send.id > $1 AND send.id <= $2
    WHERE transfer.kind IN ('ROUTE_CREDIT', 'ROUTE_COST') AND send_id > $1 AND send_id <= $2
    UNION ALL
    SELECT send_id, NULL, NULL, 0, 0, 0, 0, expected - found, 0, 0, NULL, 0
    FROM reconciliation_difference WHERE in_reading AND send_id > $1 AND send_id <= $2
    UNION ALL
    SELECT send_id, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, {WEIGHT_OF_TALLY}
    FROM send_tally WHERE send_id > $1 AND send_id <= $2
), checked AS (
    SELECT id, max(accepted) AS accepted, max(price) AS price, sum(messages) AS messages,
           sum(given_back) AS given_back, sum(charged) AS charged, sum(refunded) AS refunded,
           sum(corrected) AS corrected, sum(route_credit) AS route_credit,
           sum(route_cost) AS route_cost, min(stray) AS stray,
           bool_or(price IS NOT NULL AND tally IS NOT NULL) AND sum(tally) <> 0 AS is_miscounted
    FROM entry GROUP BY id
), violation AS (
    SELECT id, concat_ws('; ',
        CASE
        WHEN price IS NULL THEN
            format('send %s does not exist, but has %s messages and was charged %s',
                   id, messages, charged - refunded + corrected)
        WHEN messages <> accepted
          OR charged - refunded + corrected <> (messages - given_back) * price THEN
            format('send %s: %s accepted at %s, %s messages, charged %s, refunded %s for %s,'
                   ' corrected %s',
                   id, accepted, price, messages, charged, refunded, given_back, corrected)
        END,
        CASE WHEN route_credit <> 0 OR route_cost <> 0 THEN
            format('send %s: its routes moved %s too much to its pool and %s too much from others',
                   id, route_credit, route_cost)
        END,
        CASE WHEN is_miscounted THEN
            format('send %s: its counters differ from its messages, or it is not open', id)
        END,
        stray || ' is of another client, pool or account than its send ' || id) AS words
    FROM checked
)
SELECT coalesce((SELECT sum(messages) FROM checked), 0)::int8,
       ARRAY(SELECT words FROM violation WHERE words <> '' ORDER BY id LIMIT $3)
"""  # noqa: S608 - pieces of our own


async def begin_audit(id: UUID, actor_id: UUID | None, *, full: bool) -> Audit:
    try:
        async with transaction() as tx:
            await tx.execute(END_SILENT)
            row = await tx.fetchrow(BEGIN, id, actor_id, full)
    except asyncpg.UniqueViolationError as running:
        raise AlreadyRunning from running
    assert row is not None
    return _audit(row)


async def next_accounts(
    after: UUID, *, most: int, checkpoint_id: UUID | None
) -> list[AccountStart]:
    rows = await steady_read(lambda held: held.fetch(NEXT_ACCOUNTS, after, most, checkpoint_id))
    return [AccountStart(*row) for row in rows]


async def audit_accounts(
    chains: Sequence[ProvenChain], *, most: int, closed_before: UUID
) -> list[AccountPage]:
    proven = columns([(each.account_id, each.version, each.balance) for each in chains])
    rows = await steady_read(lambda held: held.fetch(ACCOUNT_PAGES, *proven, most, closed_before))
    return [object_of(AccountPage, row, total=int(row["total"])) for row in rows]


async def last_send_id() -> UUID:
    return UUID(int=(await steady_read(lambda held: held.fetchval(LAST_SEND_ID))).int)


async def audit_sends(after: UUID, until: UUID) -> SendPage | None:
    if after >= until:
        return None

    async def read(held: Connection) -> SendPage:
        end = await held.fetchval(END_OF_PAGE, after, MOST_SENDS, MOST_MESSAGES)
        last_id = min(UUID(int=end.int), until) if end is not None else until
        async with held.transaction(readonly=True):
            await held.execute(AVOID_NESTED_LOOPS)
            row = await held.fetchrow(SENDS, after, last_id, MOST_LISTED, list(TAKEN))
        assert row is not None
        return SendPage(last_id, row[0], row[1])

    return await steady_read(read)


async def audit_send(send_id: UUID) -> SendPage:
    before = UUID(int=send_id.int - 1)
    row = await steady_read(
        lambda held: held.fetchrow(SENDS, before, send_id, MOST_LISTED, list(TAKEN))
    )
    assert row is not None
    return SendPage(send_id, row[0], row[1])


async def count_audited(run: Audit) -> Audit:
    return await _change(
        COUNT_AUDITED,
        run.id,
        run.accounts_checked,
        run.transfers_checked,
        run.messages_checked,
        orjson.dumps(list(run.violations)).decode(),
    )


async def finish_audit(audit_id: UUID) -> Audit:
    return await _change(FINISH, audit_id)


async def stop_audit(audit_id: UUID) -> None:
    async with connection() as pooled:
        await pooled.execute(STOP, audit_id)
        note(pooled, [hints.AUDIT + audit_id.bytes])


async def last_audit(_scope: Everything) -> Audit | None:
    row = await fetch_row(LAST_AUDIT)
    return None if row is None else _audit(row)


async def find_audit(_scope: Everything, audit_id: UUID) -> Audit:
    row = await fetch_row(AUDITS.format(page="WHERE id = $1"), audit_id)
    if row is None:
        raise NotFound("audit")
    return _audit(row)


async def read_audits(_scope: Everything, window: Window[UUID]) -> Page[Audit]:
    return await read_page(AUDITS, Filter(), window, _audit)


async def _change(statement: str, audit_id: UUID, *values: Any) -> Audit:
    """The run after the change. A stopped run is not changed."""
    async with connection() as pooled:
        row = await pooled.fetchrow(statement, audit_id, *values)
        note(pooled, [hints.AUDIT + audit_id.bytes])
    return await find_audit(Everything(), audit_id) if row is None else _audit(row)


def _audit(row: Record) -> Audit:
    violations = orjson.loads(row["violations"])
    return object_of(Audit, row, state=AuditState(row["state"]), violations=violations)
