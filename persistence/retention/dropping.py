"""Old rows, dropped in steps: behind `domain.retention.retention.RetentionStore`.

Set-based SQL over millions of rows: one statement for all tables of `persistence.retention.kinds`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record

from domain.numbering_plans import national_digits
from domain.retention.retention import Found, RowKind, RowPage, Span, Step
from domain.retention.rules import Retention, Rules
from persistence.database import execute, fetch, fetch_value, transaction
from persistence.partitions import time_of
from persistence.retention.kinds import KINDS, PERSON
from persistence.retention.spelling import in_body, in_text

PAGE = "SELECT {key} AS id FROM {table} WHERE {key} > $1 AND {key} < $2"
OF_CLIENTS = """
($4::uuid[] IS NULL OR {client} = ANY($4)) AND ({client} IS NULL OR {client} <> ALL($5::uuid[]))
"""
# The rows of a page are locked in the order of IDs. A row that somebody else has locked waits.
STEP = """
WITH person AS (
    SELECT $7::text AS number, $8::text AS digits, $9::text AS in_text, $10::text AS in_body),
page AS MATERIALIZED ({page} ORDER BY 1 LIMIT $3), candidate AS MATERIALIZED (
    SELECT item.{key} AS id FROM {table} AS item
    WHERE item.{key} = ANY(ARRAY(SELECT id FROM page)) AND {of_clients} AND {has}
), chosen AS MATERIALIZED (
    SELECT item.*, {size} AS size, {client} AS owner_id, item.{made_at} AS made_at
    FROM {table} AS item
    WHERE item.{key} = ANY(ARRAY(SELECT id FROM candidate)) AND {has} AND {is_settled}
      AND ($6::timestamptz IS NULL OR item.{changed_at} < $6)
    ORDER BY item.{key} {lock}
){change}
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last_id,
       (SELECT count(*) FROM candidate) - (SELECT count(*) FROM chosen) AS waiting,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(month, owner_id, rows, bytes)), '[]') FROM (
            SELECT to_char(made_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, owner_id,
                   count(*) AS rows, sum(size) AS bytes
            FROM chosen GROUP BY 1, 2) AS sums) AS found
"""
EXPORT = """
WITH page AS MATERIALIZED ({page} ORDER BY 1 LIMIT $3)
SELECT page.id AS page_id, exported.* FROM page LEFT JOIN LATERAL (
    SELECT {columns} FROM {table} AS item
    WHERE item.{key} = page.id AND {of_clients} AND {is_settled}
) AS exported ON true ORDER BY page.id
"""
RULES = (
    "SELECT id, text_days, kept_months FROM client WHERE num_nonnulls(text_days, kept_months) > 0"
)
SET_RULE = "UPDATE client SET text_days = $2, kept_months = $3 WHERE id = $1"
ONE_STEP = "SELECT pg_advisory_xact_lock(713197198)"
READ_PROGRESS = "SELECT last_id FROM retention_progress WHERE name = $1"
WRITE_PROGRESS = """
INSERT INTO retention_progress (name, last_id) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET last_id = greatest(retention_progress.last_id, excluded.last_id)
"""


async def read_rules(default: Retention) -> Rules:
    rows = await fetch(RULES)
    return Rules(default, {row[0]: Retention(row[1], row[2]) for row in rows})


async def drop_rows(kind: RowKind, span: Span, *, most: int, dry_run: bool) -> Step:
    statement = _statement(STEP, kind, span, drops=not dry_run)
    async with transaction() as tx:
        if not dry_run:
            # One step at a time: two of them could lock the sends of their messages in opposite
            # order.
            await tx.execute(ONE_STEP)
        row = await tx.fetchrow(statement, *_values(span, most))
    assert row is not None
    return _step(kind, row)


async def read_rows(kind: RowKind, span: Span, *, most: int) -> RowPage:
    statement = _statement(EXPORT, kind, span)
    rows = await fetch(statement, *_values(span, most)[:5])
    names = list(rows[0].keys())[1:] if rows else []
    found = [[_plain(each) for each in tuple(row)[1:]] for row in rows if row["id"] is not None]
    return RowPage(UUID(int=rows[-1]["page_id"].int) if rows else None, names, found)


async def first_of(kind: RowKind) -> datetime | None:
    statement = f"SELECT id FROM {KINDS[kind].table} ORDER BY id LIMIT 1"  # noqa: S608 - our own
    found = await fetch_value(statement)
    return None if found is None else time_of(found)


async def set_retention(client_id: UUID, retention: Retention) -> None:
    await execute(SET_RULE, client_id, retention.text_days, retention.months)


async def read_progress(name: str) -> UUID:
    found = await fetch_value(READ_PROGRESS, name)
    return UUID(int=found.int if found is not None else 0)


async def write_progress(name: str, last_id: UUID) -> None:
    await execute(WRITE_PROGRESS, name, last_id)


def _values(span: Span, most: int) -> list[Any]:
    clients, number = span.clients, span.number
    only = None if clients.only is None else list(clients.only)
    past = [span.after, span.before, most, only, list(clients.without), span.unchanged_since]
    if number is None:
        return [*past, None, None, None, None]
    return [*past, number, national_digits(number), in_text(number), in_body(number)]


def _step(kind: RowKind, row: Record) -> Step:
    return Step(
        last_id=row["last_id"] and UUID(int=row["last_id"].int),
        waiting=row["waiting"],
        found=[
            Found(kind, month, UUID(owner) if owner else None, rows, size or 0)
            for month, owner, rows, size in orjson.loads(row["found"])
        ],
    )


def _plain(value: Any) -> Any:
    """A value of an export: text, a number, a time, or None."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value) if isinstance(value, UUID) else value


def _statement(text: str, kind: RowKind, span: Span, *, drops: bool = False) -> str:
    rows = KINDS[kind] if span.number is None else PERSON[kind]
    return text.format(
        page=rows.page or PAGE.format(key=rows.key, table=rows.table),
        table=rows.table,
        key=rows.key,
        of_clients=OF_CLIENTS.format(client=rows.client),
        has=rows.has if drops else rows.would_have or rows.has,
        is_settled=rows.is_settled,
        size=rows.size,
        client=rows.client,
        made_at=rows.made_at,
        changed_at=rows.changed_at,
        columns=rows.columns,
        lock="FOR UPDATE OF item SKIP LOCKED" if drops else "",
        change=f", {rows.change}" if drops else "",
    )
