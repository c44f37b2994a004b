"""Post for tests of receiving: events as providers bring them, stored and received."""

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
from domain.outcomes import Accepted
from persistence import store
from providers.registry import PARSERS
from tests import worlds
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
    """What ExtremeSMS says of a message from a phone; a line where a modem is named."""
    said: dict[str, Any] = {"from": sender, "message": text, "status": "received", **rest}
    return said if modem is None else {**said, "usedmodem": modem, "port": port}


def event(said: object, *, provider: str = "extreme") -> NewEvent:
    """An event that says this, not stored yet."""
    body = json.dumps(said).encode()
    return new_event(provider, PARSERS[provider](body), body)


async def stored(*said: object, provider: str = "extreme") -> list[UUID]:
    """Ids of events that say this, stored and not received."""
    events = [event(each, provider=provider) for each in said]
    outcomes = await store.store_events(events)
    assert set(outcomes) <= {WebhookOutcome.UNROUTED, WebhookOutcome.DUPLICATE}, outcomes
    return [each.id for each in events]


async def received(*said: object, provider: str = "extreme") -> list[dict[str, Any]]:
    """What became of events that say this: rows of the event table, same order."""
    ids = await stored(*said, provider=provider)
    await receive_all()
    return await rows_of(ids)


async def receive_all() -> None:
    """Receives until nothing is due any more; what waits a moment is waited for."""
    while await worlds.fetch(
        "SELECT FROM webhook_event WHERE due_at < clock_timestamp() + interval '0.3 s'"
    ):
        await receive_due(RECEIVER)


async def rows_of(ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The events, same order."""
    rows = {row["id"]: row for row in await worlds.fetch("SELECT * FROM webhook_event")}
    return [rows[each] for each in ids]


async def inbox_of(client_id: UUID) -> list[dict[str, Any]]:
    """What a client has received, in order of its feed."""
    return await worlds.fetch("SELECT * FROM inbound WHERE client_id = $1 ORDER BY feed", client_id)


async def handed_over(pool: worlds.Pool, reference: str | None = None) -> None:
    """Everything that is queued is taken by the provider, under a reference."""
    while calls := await marked(pool):
        for call in calls:
            await answered(pool, call, Accepted(reference))
