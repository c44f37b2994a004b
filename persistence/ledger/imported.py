"""Log lines and opening balances of another system: behind `domain.imports.ports`.

Set-based SQL: a file has millions of lines. 1,000,000 take two minutes (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.identity.access import Everything, Payer
from domain.ledger.imported import LogLine, NewImportedLine, NewOpeningBalance, OpeningBalance
from persistence.database import Connection, columns, fetch

IMPORT_LOCK = 0x1B1C5

FIND_PAYERS = """
SELECT given.email, client.id, client.account_id, upstream.id, upstream.price,
       upstream.unit, NULL::numeric, upstream.account_id = client.account_id AS owned
FROM unnest($1::text[]) AS given (email)
JOIN app_user ON lower(app_user.email) = lower(given.email)
JOIN client ON client.id = app_user.client_id
JOIN account ON account.id = client.account_id
JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
"""

FIND_LINES = """
SELECT client_id, reference, created_at, messages, charged
FROM unnest($1::uuid[], $2::text[]) AS wanted (client_id, reference)
JOIN imported_line USING (client_id, reference)
"""
# One import at a time writes lines, so that the totals of a client have no gaps.
LOCK_IMPORTS = "SELECT pg_advisory_xact_lock($1)"
# `found`: the whole units of the total after the line, less those before it.
ADD_LINES = """
WITH new AS (
    SELECT given.* FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::int4[], $7::int8[],
        $8::numeric[], $9::timestamptz[]) AS given (
        id, client_id, account_id, provider_account_id, reference, messages, price, charged,
        created_at)
    WHERE NOT EXISTS (SELECT FROM imported_line AS present
                      WHERE present.client_id = given.client_id
                        AND present.reference = given.reference)
), before AS (
    SELECT client_id, coalesce((
        SELECT max(charged_total) FROM imported_line
        WHERE imported_line.client_id = importing.client_id), 0) AS total
    FROM (SELECT DISTINCT client_id FROM new) AS importing
), added AS (
    SELECT new.*, total + sum(charged) OVER (PARTITION BY client_id ORDER BY id) AS charged_total
    FROM new JOIN before USING (client_id)
)
INSERT INTO imported_line (id, client_id, account_id, provider_account_id, reference, messages,
                           price, charged, created_at, charged_total, found)
SELECT *, floor(charged_total)::int8 - floor(charged_total - charged)::int8 FROM added ORDER BY id
"""

FIND_BALANCES = """
SELECT client_id, reference, units
FROM unnest($1::uuid[], $2::text[]) AS wanted (client_id, reference)
JOIN opening_balance USING (client_id, reference)
"""
# In the order of the key, so that two imports of the same file do not wait for each other.
ADD_BALANCES = """
INSERT INTO opening_balance (client_id, reference, units, transfer_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int8[], $4::uuid[]) AS new (client_id, reference)
ORDER BY client_id, reference
ON CONFLICT DO NOTHING RETURNING client_id, reference
"""


async def find_payers(_scope: Everything, emails: Sequence[str]) -> dict[str, tuple[Payer, bool]]:
    rows = await fetch(FIND_PAYERS, list(emails))
    return {row[0]: (Payer(*row[1:7]), row["owned"]) for row in rows}


async def find_imported_lines(
    _scope: Everything, keys: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], LogLine]:
    rows = await fetch(FIND_LINES, *columns(keys))
    return {(row[0], row[1]): LogLine(*row[1:]) for row in rows}


async def add_imported_lines(tx: Connection, lines: Sequence[NewImportedLine]) -> int:
    await tx.execute(LOCK_IMPORTS, IMPORT_LOCK)
    rows = [
        (
            each.id,
            each.payer.client_id,
            each.payer.account_id,
            each.payer.provider_account_id,
            each.line.reference,
            each.line.messages,
            each.payer.price,
            each.line.charged,
            each.line.created_at,
        )
        for each in lines
    ]
    done = await tx.execute(ADD_LINES, *columns(rows))
    return int(done.rpartition(" ")[2])


async def find_opening_balances(
    _scope: Everything, keys: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], OpeningBalance]:
    rows = await fetch(FIND_BALANCES, *columns(keys))
    return {(row[0], row[1]): OpeningBalance(row[1], row[2]) for row in rows}


async def add_opening_balances(
    tx: Connection, balances: Sequence[NewOpeningBalance]
) -> set[tuple[UUID, str]]:
    rows = [
        (each.payer.client_id, each.balance.reference, each.balance.units, each.transfer_id)
        for each in balances
    ]
    return {(row[0], row[1]) for row in await tx.fetch(ADD_BALANCES, *columns(rows))}
