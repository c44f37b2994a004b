"""Events as providers send them, stored and received: helpers for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.inbox.inbound import Receiver
from domain.inbox.keywords import Keywords
from domain.inbox.receive import receive_due
from domain.inbox.webhooks import NewEvent, WebhookOutcome, new_event
from domain.numbers import Normaliser
from domain.provider import Accepted
from persistence import store
from providers.registry import PARSERS
from tests import db
from tests.dispatch.parts import answered, marked

PHONE = "+12025550143"
OUR_NUMBER = "+12025550111"

RECEIVER = Receiver(store, PARSERS, Normaliser(), Keywords())


def inbound(
    text: str = "Hello",
    *,
    sender: str = PHONE,
    modem: str | None = None,
    port: str = "1",
    **rest: Any,
) -> dict[str, Any]:
    """An inbound message as ExtremeSMS sends it. It has a line if `modem` is given."""
    call: dict[str, Any] = {"from": sender, "message": text, "status": "received", **rest}
    return call if modem is None else {**call, "usedmodem": modem, "port": port}


def event(call: object, *, provider: str = "extreme", account_id: UUID | None = None) -> NewEvent:
    """An event with this content, not stored yet. `account_id`: what its call names."""
    body = json.dumps(call).encode()
    return new_event(provider, PARSERS[provider](body), body, provider_account_id=account_id)


async def stored(
    *calls: object, provider: str = "extreme", account_id: UUID | None = None
) -> list[UUID]:
    """Stores events with this content. Returns their IDs."""
    events = [event(each, provider=provider, account_id=account_id) for each in calls]
    outcomes = await store.store_events(events)
    assert set(outcomes) <= {WebhookOutcome.UNROUTED, WebhookOutcome.DUPLICATE}, outcomes
    return [each.id for each in events]


async def received(
    *calls: object, provider: str = "extreme", account_id: UUID | None = None
) -> list[dict[str, Any]]:
    """Stores and receives events with this content. Returns their rows, in order."""
    ids = await stored(*calls, provider=provider, account_id=account_id)
    await receive_all()
    return await rows_of(ids)


async def receive_all() -> None:
    """Receives until no event is due, or due within a moment."""
    while await db.fetch(
        "SELECT FROM webhook_event WHERE due_at < clock_timestamp() + interval '0.3 s'"
    ):
        await receive_due(RECEIVER)


async def rows_of(ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The rows of the events, in order."""
    rows = {row["id"]: row for row in await db.fetch("SELECT * FROM webhook_event")}
    return [rows[each] for each in ids]


async def inbox_of(client_id: UUID) -> list[dict[str, Any]]:
    """The messages of a client, in order of its feed."""
    return await db.fetch("SELECT * FROM inbound WHERE client_id = $1 ORDER BY feed", client_id)


async def submitted(pool: db.Pool, reference: str | None = None) -> None:
    """Submits everything that is queued. The provider accepts it with this reference."""
    while calls := await marked(pool):
        for call in calls:
            await answered(pool, call, Accepted(reference))
