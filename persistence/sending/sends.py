"""Sends and their messages in SQL, as the accept path writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from domain.ids import new_id
from domain.ledger.valuation import value_usd
from domain.sending.sends import PRIORITY, NewSend
from persistence.database import STATEMENT_TIMEOUT_SECONDS
from persistence.sql import columns

if TYPE_CHECKING:
    from persistence.database import Connection

SEND_COLUMNS = (
    "id",
    "client_id",
    "account_id",
    "provider_account_id",
    "actor_id",
    "kind",
    "text",
    "price",
    "accepted",
    "rejected_count",
    "rejected",
    "rate_usd",
    "value_usd",
    "modem",
    "port",
    "warning",
    "created_at",
)
MESSAGE_COLUMNS = (
    "id",
    "send_id",
    "client_id",
    "provider_account_id",
    "number",
    "text",
    "priority",
    "price",
    "due_at",
    "created_at",
    "updated_at",
)

# The time is PostgreSQL's, as it is wherever a turn is awaited: of a server whose clock is fast,
# nothing would be due for as long.
INSERT_SENDS = f"""
INSERT INTO send ({", ".join(SEND_COLUMNS)})
SELECT new.*, statement_timestamp() FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
    $8::int8[], $9::int4[], $10::int4[], $11::jsonb[], $12::numeric[], $13::numeric[],
    $14::text[], $15::text[], $16::text[]) AS new
"""  # noqa: S608 - column names of our own
INSERT_MESSAGES = f"""
INSERT INTO message ({", ".join(MESSAGE_COLUMNS)})
SELECT new.*, statement_timestamp(), statement_timestamp(), statement_timestamp()
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[],
    $7::int2[], $8::int8[]) AS new
"""  # noqa: S608 - column names of our own

NOW = "SELECT clock_timestamp()"

FIND_SENDS = "SELECT id FROM send WHERE id = ANY($1::uuid[])"


def send_columns(sends: Sequence[NewSend]) -> Iterator[list[Any]]:
    """What `INSERT_SENDS` and `INSERT_MESSAGES` are given, a list a column."""
    yield from columns([_send_row(send) for send in sends])
    yield from columns([row for send in sends for row in _message_rows(send)])


async def copy_messages(tx: Connection, send: NewSend) -> None:
    """Writes one send and its messages by COPY: meant for a large one."""
    now = await tx.fetchval(NOW)
    sends = [(*_send_row(send), now)]
    await tx.copy_records_to_table("send", records=sends, columns=SEND_COLUMNS)
    await tx.copy_records_to_table(
        "message",
        records=message_rows(send, now),
        columns=MESSAGE_COLUMNS,
        timeout=STATEMENT_TIMEOUT_SECONDS,
    )


def message_rows(send: NewSend, now: datetime) -> Iterator[tuple[Any, ...]]:
    """The rows of one send's messages as they are copied, in `MESSAGE_COLUMNS`."""
    return ((*row, now, now, now) for row in _message_rows(send))


async def find_sends(tx: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that are committed sends."""
    rows = await tx.fetch(FIND_SENDS, list(ids))
    return {row[0] for row in rows}


def _send_row(send: NewSend) -> tuple[Any, ...]:
    """In the order of the columns, but for the time."""
    payer = send.payer
    rejected = [
        (each.input, each.position, each.reason.value, each.message) for each in send.rejected
    ]
    return (
        send.id,
        payer.client_id,
        payer.account_id,
        payer.provider_account_id,
        send.actor_id,
        send.kind.value,
        send.text,
        payer.price,
        len(send.numbers),
        send.rejected_count,
        orjson.dumps(rejected).decode() if rejected else None,
        payer.rate_usd,
        value_usd(send.cost, payer.rate_usd),
        send.line.modem if send.line else None,
        send.line.port if send.line else None,
        send.warning,
    )


def _message_rows(send: NewSend) -> Iterator[tuple[Any, ...]]:
    """One row a number, same order, but for the times; a text only where they do not share one."""
    payer = send.payer
    priority = PRIORITY[send.kind]
    texts: Iterable[str | None] = send.texts or repeat(None, len(send.numbers))
    for number, text in zip(send.numbers, texts, strict=True):
        yield (
            new_id(),
            send.id,
            payer.client_id,
            payer.provider_account_id,
            number,
            text,
            priority,
            payer.price,
        )
