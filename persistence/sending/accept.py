"""Accepting in SQL: behind `domain.sending.ports.AcceptStore`.

Writes large sends by COPY. Small sends: `persistence.sending.batches`.
Set-based SQL, because each send locks its account while others may wait for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from domain.errors import NotFound
from domain.sending.messages import NewSend, RowsToWrite
from persistence.copying import (
    NULL,
    TRUE,
    UUID_SIZE,
    Piece,
    encoded_rows,
    int2,
    int8,
    text,
    timestamptz,
    uuid,
)
from persistence.database import STATEMENT_TIMEOUT_SECONDS, Connection, fetch_value, orm
from persistence.sending import models, parts
from persistence.sending.batches import (
    MESSAGE_COLUMNS,
    SEND_COLUMNS,
    priority_of,
    send_row,
)
from persistence.sending.of_send import messages_of

COPIED_COLUMNS = (*MESSAGE_COLUMNS, "in_part")

HELD = "SELECT held FROM account WHERE id = $1"

NOW = "SELECT clock_timestamp()"

# Keeps the upload until the commit. Then its job keeps it: see `persistence.sending.uploads`.
KEEP_UPLOAD = "SELECT true FROM upload WHERE id = $1 FOR KEY SHARE"

# The period begins when the last message may leave.
LIMIT_VALIDITY = f"""
UPDATE send SET expires_at = make_interval(secs => $2) + coalesce(
    (SELECT max(send_at) FROM {messages_of("send.id", "send_at")}), statement_timestamp())
WHERE id = $1
"""  # noqa: S608 - names of our own

FIND_SENDS = "SELECT id, created_at FROM send WHERE id = ANY($1::uuid[])"


async def held(account_id: UUID, *, tx: Connection | None = None) -> int:
    return int(await fetch_value(HELD, account_id, tx=tx) or 0)


async def copy_messages(tx: Connection, send: NewSend) -> datetime:
    now: datetime = await tx.fetchval(NOW)
    sends = [(*send_row(send), now)]
    await tx.copy_records_to_table("send", records=sends, columns=SEND_COLUMNS)
    if send.rows is None:
        await copy_numbers(tx, send, now, created_at=now)
    else:
        await _write_job(tx, send, send.rows)
    return now


async def copy_numbers(tx: Connection, send: NewSend, now: datetime, created_at: datetime) -> None:
    """Writes the messages of a send by COPY."""
    await tx.copy_to_table(
        "message",
        source=encoded_messages(send, now, created_at),
        columns=COPIED_COLUMNS,
        format="binary",
        timeout=STATEMENT_TIMEOUT_SECONDS,
    )
    if is_part(send):
        await models.QueuedPart.create(
            using_db=orm(tx),
            first_id=send.first_message_id,
            last_id=UUID(int=send.first_message_id.int + len(send.numbers) - 1),
            send_id=send.id,
            client_id=send.payer.client_id,
            provider_account_id=send.payer.provider_account_id,
            due_at=now,
        )


def is_part(send: NewSend) -> bool:
    """Whether its messages are a part: see `persistence.sending.parts`."""
    return (
        len(send.numbers) >= parts.LEAST_OF_PART
        and send.has_range
        and send.send_at is None
        and not any(send.held_until)
        and not any(send.routes)
    )


async def _write_job(tx: Connection, send: NewSend, rows: RowsToWrite) -> None:
    if await tx.fetchval(KEEP_UPLOAD, rows.upload_id) is None:
        raise NotFound("upload")
    await models.SendJob.create(
        using_db=orm(tx),
        send_id=send.id,
        client_id=send.payer.client_id,
        provider_account_id=send.payer.provider_account_id,
        upload_id=rows.upload_id,
        price=send.payer.price,
        plan=rows.plan,
        accepted_rows=rows.accepted_rows,
        unwritten=rows.accepted,
    )


def encoded_messages(send: NewSend, now: datetime, created_at: datetime) -> AsyncIterator[bytes]:
    """One send's messages for COPY in binary format, in `COPIED_COLUMNS`."""
    payer = send.payer
    first = send.first_message_id.int
    times = {at: _encoded_times(send, at, now) for at in {send.send_at, *send.held_until}}
    pieces: list[Piece] = [
        UUID_SIZE,
        (number.to_bytes(16, "big") for number in range(first, first + len(send.numbers))),
        uuid(send.id) + uuid(payer.client_id),
        _encoded_routes(send),
        map(text, send.numbers),
        NULL if send.texts is None else map(text, send.texts),
        (times[each or send.send_at] for each in send.held_until)
        if send.held_until
        else times[send.send_at],
        timestamptz(created_at)
        + timestamptz(now)
        + (NULL if send.has_range else TRUE)
        + (TRUE if is_part(send) else NULL),
    ]
    return encoded_rows(len(COPIED_COLUMNS), pieces)


async def limit_validity(tx: Connection, send_id: UUID, seconds: int) -> None:
    await tx.execute(LIMIT_VALIDITY, send_id, float(seconds))


def _encoded_routes(send: NewSend) -> Piece:
    """The provider account that each message waits for, and its route."""
    own = uuid(send.payer.provider_account_id) + NULL
    if not send.routes:
        return own
    return (
        own if route is None else uuid(route.provider_account_id) + uuid(route.id)
        for route in send.routes
    )


async def find_sends(tx: Connection, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    return {row[0]: row[1] for row in await tx.fetch(FIND_SENDS, list(ids))}


def _encoded_times(send: NewSend, send_at: datetime | None, now: datetime) -> bytes:
    """Priority, price, `send_at` and `due_at` for COPY."""
    priority, due_at = priority_of(send, send_at), max(send_at or now, now)
    return int2(priority) + int8(send.payer.price) + timestamptz(send_at) + timestamptz(due_at)
