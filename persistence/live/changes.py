"""What has changed in conversations and webhook events, in SQL: behind `domain.live.ports`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from domain.identity.access import Everything, Scope
from domain.inbox.conversations import Conversation
from domain.inbox.webhooks import WebhookEvent
from domain.live.ports import Changed
from persistence.database import connection
from persistence.inbox.conversations import CONVERSATIONS, conversation_of
from persistence.inbox.routes import EVENTS, event_of
from persistence.live.messages import NOW, within
from persistence.pages import Filter

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

T = TypeVar("T")

MOST_CHANGED = 1_000

# Looks by time go further back than this, so that what waits is found by one of them.
RULED_ON_OR_WAITING = "(due_at IS NULL OR received_at < clock_timestamp() - interval '1 second')"


async def find_changed_conversations(
    scopes: Collection[Scope], ids: Collection[UUID]
) -> Sequence[Conversation]:
    """Those of the conversations that are within one of the scopes, oldest change first."""
    return await _find(CONVERSATIONS, within(scopes), ids, conversation_of)


async def read_changed_conversations(
    scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
) -> Changed[Conversation]:
    """Conversations changed since that time of the store's (None: now), and some before."""
    overlap = timedelta(seconds=overlap_seconds)
    return await _read_changed(CONVERSATIONS, within(scopes), since, overlap, conversation_of)


async def find_changed_events(
    scopes: Collection[Scope], ids: Collection[UUID]
) -> Sequence[WebhookEvent]:
    """Those of the events that are within one of the scopes, oldest change first.

    What was stored a moment ago and is not ruled on yet is left out: it is told with its ruling.
    """
    return await _find(EVENTS, _for_all(scopes), ids, event_of)


async def read_changed_events(
    scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
) -> Changed[WebhookEvent]:
    """Events stored or ruled on since that time of the store's (None: now), and some before."""
    overlap = timedelta(seconds=overlap_seconds)
    return await _read_changed(EVENTS, _for_all(scopes), since, overlap, event_of)


async def _find(
    statement: str, wanted: Filter, ids: Collection[UUID], item_of: Callable[[Record], T]
) -> list[T]:
    wanted.add("id = ANY({}::uuid[])", list(ids))
    async with connection() as pooled:
        return await _read(pooled, statement, wanted, item_of, most=len(ids))


async def _read_changed(
    statement: str,
    wanted: Filter,
    since: datetime | None,
    overlap: timedelta,
    item_of: Callable[[Record], T],
) -> Changed[T]:
    async with connection() as pooled:
        # Taken before the read: what is committed between the two is read again next time.
        now: datetime = await pooled.fetchval(NOW)
        # A plain value: PostgreSQL looks nothing volatile up in an index.
        wanted.add("updated_at > {}", (since or now) - overlap)
        items = await _read(pooled, statement, wanted, item_of, most=MOST_CHANGED)
    return Changed(items, now, more=len(items) == MOST_CHANGED)


async def _read(
    pooled: Connection,
    statement: str,
    wanted: Filter,
    item_of: Callable[[Record], T],
    *,
    most: int,
) -> list[T]:
    page = f"{wanted.where} ORDER BY updated_at, id LIMIT {wanted.value(most)}"
    return [item_of(row) for row in await pooled.fetch(statement.format(page=page), *wanted.values)]


def _for_all(scopes: Collection[Scope]) -> Filter:
    """Events belong to the installation: only who sees everything sees any."""
    wanted = Filter()
    wanted.add(RULED_ON_OR_WAITING)
    if Everything() not in scopes:
        wanted.add("false")
    return wanted
