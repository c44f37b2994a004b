"""The statement of an account in SQL: its transfers by the account's own gapless version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.errors import NotFound
from domain.ledger.balances import BalanceView
from domain.ledger.book import NodeKind, TransferKind
from domain.ledger.statement import OtherEnd, StatementLine
from domain.pages import Page, Window
from persistence.database import connection
from persistence.pages import Filter, order_of, page_clause, page_of
from persistence.turns import in_turn

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

# The account that a view is about: the client's, else the group's, else the pool's.
VIEWED_ACCOUNT = """
SELECT account_id FROM client
WHERE client.id = $1 AND ($2::uuid IS NULL OR client.group_id = $2)
UNION ALL
SELECT account_id FROM client_group WHERE $1::uuid IS NULL AND client_group.id = $3
UNION ALL
SELECT account_id FROM provider_account
WHERE $1::uuid IS NULL AND $3::uuid IS NULL
  AND CASE WHEN $4::uuid IS NULL THEN is_default ELSE provider_account.id = $4 END
"""

# Each half is an index, read in its order and no further than a page; a version of the account's
# is in one of them, never in both.
LINES = """
WITH line AS (
    (SELECT id, kind, -amount AS amount, source_balance AS balance, source_version AS version,
            source_id AS account_id, destination_id AS other_id, provider_account_id,
            send_id, note, rate_usd, value_usd, created_at
     FROM transfer {outgoing})
    UNION ALL
    (SELECT id, kind, amount, destination_balance, destination_version,
            destination_id, source_id, provider_account_id,
            send_id, note, rate_usd, value_usd, created_at
     FROM transfer {incoming})
    ORDER BY version {order} LIMIT {limit}
)
SELECT line.*, upstream.unit, send.price, viewed.kind AS viewed_kind, other.kind AS other_kind,
       coalesce(client.name, client_group.name) AS other_name
FROM line
JOIN provider_account AS upstream ON upstream.id = line.provider_account_id
JOIN account AS viewed ON viewed.id = line.account_id
LEFT JOIN send ON send.id = line.send_id
LEFT JOIN account AS other ON other.id = line.other_id
LEFT JOIN client ON client.account_id = line.other_id
LEFT JOIN client_group ON client_group.account_id = line.other_id
ORDER BY line.version {order}
"""


async def read_statement(
    view: BalanceView, window: Window[int], *, kind: TransferKind | None = None
) -> Page[StatementLine]:
    """The statement of a view's account, newest first; a line's key is its version.

    Raises NotFound for a client outside the view.
    """
    values: list[Any] = []
    async with in_turn(view, searches=kind is not None), connection() as pooled:
        account_id = await _viewed_account(pooled, view)
        statement = LINES.format(
            outgoing=_side("source", values, account_id, window, kind),
            incoming=_side("destination", values, account_id, window, kind),
            order=order_of(window),
            limit=window.size + 1,
        )
        rows = await pooled.fetch(statement, *values)
    return page_of(rows, window, _line)


async def find_line(
    account_id: UUID, transfer_id: UUID, *, tx: Connection | None = None
) -> StatementLine:
    """One transfer as seen from one of its ends. Raises NotFound where it is at neither."""
    values: list[Any] = []
    only: Window[int] = Window(size=1)
    async with connection(tx) as pooled:
        statement = LINES.format(
            outgoing=_side("source", values, account_id, only, None, transfer_id),
            incoming=_side("destination", values, account_id, only, None, transfer_id),
            order="DESC",
            limit=1,
        )
        row = await pooled.fetchrow(statement, *values)
    if row is None:
        raise NotFound("transfer")
    return _line(row)


def _side(
    end: str,
    values: list[Any],
    account_id: UUID,
    window: Window[int],
    kind: TransferKind | None,
    transfer_id: UUID | None = None,
) -> str:
    wanted = Filter([], values)
    wanted.add(f"{end}_id = {{}}", account_id)
    if kind is not None:
        wanted.add("kind = {}", kind.value)
    if transfer_id is not None:
        wanted.add("id = {}", transfer_id)
    return page_clause(wanted, window, key=f"{end}_version")


async def _viewed_account(pooled: Connection, view: BalanceView) -> UUID:
    account_id: UUID | None = await pooled.fetchval(
        VIEWED_ACCOUNT,
        view.client_id,
        view.within_group_id,
        view.group_id,
        view.provider_account_id,
    )
    if account_id is None:
        raise NotFound("client")
    return account_id


def _line(row: Record) -> StatementLine:
    other_kind = row["other_kind"]
    return StatementLine(
        id=row["id"],
        kind=TransferKind(row["kind"]),
        viewed=NodeKind(row["viewed_kind"]),
        amount=row["amount"],
        unit=row["unit"],
        balance_after=row["balance"],
        version=row["version"],
        rate_per_unit_usd=row["rate_usd"],
        value_usd=row["value_usd"],
        send_id=row["send_id"],
        price=row["price"],
        note=row["note"],
        other=OtherEnd(NodeKind(other_kind), row["other_name"]) if other_kind else None,
        created_at=row["created_at"],
    )
