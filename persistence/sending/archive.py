"""Stored sends: pages by key within a scope, through querysets.

SQL for all messages of a large send.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise.expressions import RawSQL

from domain.errors import SENTENCES, NotFound, RejectedRecipient, RejectionReason
from domain.identity.access import OfClient, Scope
from domain.pages import Page, Window
from domain.sending.lists import ALL_SENDS, SendFilter, SendOrder
from domain.sending.messages import AcceptedMessage, MessageStatus, Send, SendKind
from persistence.database import Connection, connection, fetch, orm
from persistence.pages import list_page
from persistence.planned import in_turn
from persistence.rows import object_of, within
from persistence.sending import models
from persistence.sending.listed import first_id, last_id
from persistence.sending.messages import first_of_sends
from persistence.sending.of_send import messages_of
from persistence.sending.tallies import read_counts

# A shared text is not repeated: it is in the send. IDs sort in the order of the request.
ACCEPTED = f"""
SELECT id, number, text FROM {messages_of("$1", "id, number, text, client_id", since="$3")}
WHERE client_id = $2 ORDER BY id
"""  # noqa: S608 - names of our own
# Whether a send has messages for a later time. coalesce(): never NULL, so that a filter can ask for
# false. `due_until` comes first: for most sends, their messages need not be read.
IS_SCHEDULED = f"""
(coalesce(due_until > statement_timestamp(), false) AND (EXISTS (
    SELECT FROM {messages_of("send.id", "status, send_at")}
    WHERE status = 'QUEUED' AND message.send_at > statement_timestamp())
    OR EXISTS (SELECT FROM send_job WHERE send_job.send_id = send.id AND unwritten > 0)))
"""  # noqa: S608 - names of our own

SUBMITTED_AT = """
SELECT message.id, attempt.started_at FROM message JOIN attempt ON attempt.id = message.attempt_id
WHERE message.id = ANY($1::uuid[]) AND message.client_id = $2
  AND message.status IN ('SENT', 'DELIVERED', 'UNDELIVERED')
"""


async def find_send(scope: Scope, send_id: UUID, *, tx: Connection | None = None) -> Send:
    rows = await within(scope, models.Send.all()).filter(id=send_id).using_db(orm(tx))
    if not rows:
        raise NotFound("send")
    (send,) = await _with_counts(rows, tx)
    return send


async def find_sends_by_id(scope: Scope, send_ids: Sequence[UUID]) -> dict[UUID, Send]:
    rows = await within(scope, models.Send.all()).filter(id__in=list(send_ids))
    return {send.id: send for send in await _with_counts(rows)}


async def read_sends(
    scope: Scope,
    window: Window[UUID],
    *,
    filter: SendFilter = ALL_SENDS,
    order: SendOrder = SendOrder.NEWEST,
) -> Page[Send]:
    query = within(scope, models.Send.all())
    if filter.client_id is not None:
        query = query.filter(client_id=filter.client_id)
    if filter.kind is not None:
        # A literal: a plan for any kind could not use the partial index.
        is_kind = RawSQL(f"(kind = '{filter.kind.value}')")
        query = query.annotate(is_kind=is_kind).filter(is_kind=True)
    if filter.scheduled is not None:
        is_scheduled = RawSQL(IS_SCHEDULED)
        query = query.annotate(is_scheduled=is_scheduled).filter(is_scheduled=filter.scheduled)
    if filter.scheduled:  # without coalesce(), so that PostgreSQL can use the index
        query = query.filter(due_until__gt=RawSQL("statement_timestamp()"))
    if filter.created_after is not None:
        query = query.filter(
            created_at__gte=filter.created_after, id__gte=first_id(filter.created_after)
        )
    if filter.created_before is not None:
        query = query.filter(
            created_at__lt=filter.created_before, id__lt=last_id(filter.created_before)
        )
    async with in_turn(scope, searches=filter != ALL_SENDS):
        sign = "" if order is SendOrder.OLDEST else "-"
        page = await list_page(query, window, order=[f"{sign}id"])
        return page.with_items(await _with_counts(page.items))


async def read_accepted(scope: OfClient, send_id: UUID) -> list[AcceptedMessage]:
    async with connection() as pooled:
        first = first_of_sends([send_id])
        rows = await pooled.fetch(ACCEPTED, send_id, scope.client_id, first)
    return [AcceptedMessage(*row) for row in rows]


async def read_submitted_at(scope: OfClient, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    if not ids:
        return {}
    rows = await fetch(SUBMITTED_AT, list(ids), scope.client_id)
    return {row[0]: row[1] for row in rows}


async def _with_counts(rows: Sequence[models.Send], tx: Connection | None = None) -> list[Send]:
    counts = await read_counts([row.id for row in rows], tx)
    return [_send(row, counts[row.id]) for row in rows]


def _send(row: models.Send, counts: dict[MessageStatus, int]) -> Send:
    rejected: list[Any] = row.rejected or []
    return object_of(
        Send,
        row,
        kind=SendKind(row.kind),
        rejected=[_rejected(*each) for each in rejected],
        counts=counts,
        held_until=row.due_until if row.held else None,
        columns=None,
        accepted_as=None,
    )


def _rejected(
    given: str, position: int, reason: str, message: str | None = None
) -> RejectedRecipient:
    # Older rows have no message.
    why = RejectionReason(reason)
    return RejectedRecipient(given, position, why, message or SENTENCES[why])
