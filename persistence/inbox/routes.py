"""Webhook events and modem routes, as the operator sees and sets them, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Everything
from domain.ids import new_id
from domain.inbox.conversations import ModemRoute
from domain.inbox.ports import HeldEvent
from domain.inbox.webhooks import DueEvent, WebhookEvent, WebhookOutcome, WebhookStatus
from domain.pages import Page, Window
from domain.sending.sends import Line
from persistence.database import connection
from persistence.pages import Filter, read_page
from persistence.sql import first_id_at

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

MOST_ROUTES = 1_000

DEEPEST_PAYLOAD = 100
"""What is read nests deeper (1,024) than what can be written (254)."""

EVENT_COLUMNS = (
    "id, received_at, provider, outcome, reason, client_id, inbound_id, modem, port, body, times,"
    " updated_at"
)
EVENTS = f"SELECT {EVENT_COLUMNS} FROM webhook_event {{page}}"  # noqa: S608 - columns of our own
LAST_EVENT = f"""
SELECT {EVENT_COLUMNS} FROM webhook_event WHERE outcome <> 'REFUSED' ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - columns of our own
STATUS = """
SELECT (SELECT client_id FROM webhook_event WHERE outcome = 'ROUTED' ORDER BY id DESC LIMIT 1),
       (SELECT count(*) FROM webhook_event WHERE id >= $1 AND outcome <> 'REFUSED'),
       (SELECT count(*) FROM webhook_event WHERE outcome = 'UNROUTED' AND due_at IS NULL),
       (SELECT coalesce(sum(times), 0) FROM webhook_event
        WHERE id >= $1 AND outcome = 'REFUSED')
"""
HOLD_EVENT = """
SELECT id, provider, body, received_at, tries, outcome, client_id FROM webhook_event
WHERE id = $1 FOR UPDATE
"""

ROUTE_COLUMNS = """
route.id, route.client_id, route.modem, route.port,
ARRAY(SELECT number::text FROM assigned_number WHERE route_id = route.id ORDER BY number),
route.learned, route.last_seen_at
"""
ROUTES = f"""
SELECT {ROUTE_COLUMNS} FROM modem_route AS route
ORDER BY learned, last_seen_at DESC NULLS LAST, id DESC LIMIT $1
"""  # noqa: S608 - columns of our own
# A learned line is a client's own as long as nobody else has been seen on it.
ROUTE_OF = f"""
SELECT {ROUTE_COLUMNS} FROM modem_route AS route
WHERE client_id = $1 AND (NOT learned OR NOT EXISTS (
    SELECT FROM modem_route AS other
    WHERE other.modem = route.modem AND other.port = route.port AND other.client_id <> $1))
ORDER BY learned, last_seen_at DESC NULLS LAST, id DESC LIMIT 1
"""  # noqa: S608 - columns of our own
ROUTE_BY_ID = f"SELECT {ROUTE_COLUMNS} FROM modem_route AS route WHERE id = $1"  # noqa: S608

LINE_OF_ANOTHER = """
SELECT FROM modem_route WHERE modem = $2 AND port = $3 AND NOT learned AND client_id <> $1
"""
NUMBER_OF_ANOTHER = """
SELECT number FROM assigned_number
WHERE number = ANY($2::text[]) AND client_id <> $1 ORDER BY number LIMIT 1
"""
WRITE_ROUTE = """
INSERT INTO modem_route (id, client_id, modem, port, learned) VALUES ($1, $2, $3, $4, false)
ON CONFLICT (client_id, modem, port) DO UPDATE SET learned = false
RETURNING id
"""
DROP_NUMBERS = "DELETE FROM assigned_number WHERE route_id = $1 AND number <> ALL($2::text[])"
ADD_NUMBERS = """
INSERT INTO assigned_number (number, client_id, route_id)
SELECT number, $1, $2 FROM unnest($3::text[]) AS given (number) ORDER BY number
ON CONFLICT (number) DO UPDATE SET route_id = excluded.route_id
"""
DROP_ROUTE = "DELETE FROM modem_route WHERE id = $1"

_ONE: Window[UUID] = Window(size=1)


async def read_webhook_events(
    scope: Everything, window: Window[UUID], *, outcome: WebhookOutcome | None = None
) -> Page[WebhookEvent]:
    """Events, newest first, with what they said."""
    wanted = Filter()
    if outcome is not None:
        wanted.add("outcome = {}", outcome.value)
    return await read_page(EVENTS, wanted, window, event_of)


async def find_webhook_event(scope: Everything, event_id: UUID) -> WebhookEvent:
    """One event. Raises NotFound."""
    wanted = Filter()
    wanted.add("id = {}", event_id)
    page = await read_page(EVENTS, wanted, _ONE, event_of)
    if not page.items:
        raise NotFound("webhook event")
    return page.items[0]


async def read_webhook_status(scope: Everything) -> WebhookStatus:
    """Whether events still arrive, and what became of them lately."""
    hour_ago = first_id_at(datetime.now(UTC) - timedelta(hours=1))
    async with connection() as pooled:
        last = await pooled.fetchrow(LAST_EVENT)
        row = await pooled.fetchrow(STATUS, hour_ago)
    assert row is not None
    return WebhookStatus(event_of(last) if last else None, *row)


async def hold_event(tx: Connection, event_id: UUID) -> HeldEvent:
    """An event FOR UPDATE. Raises NotFound."""
    row = await tx.fetchrow(HOLD_EVENT, event_id)
    if row is None:
        raise NotFound("webhook event")
    return HeldEvent(DueEvent(*tuple(row)[:5]), WebhookOutcome(row[5]), row[6])


async def read_modem_routes(scope: Everything) -> list[ModemRoute]:
    """Those set by hand, then the learned ones that were seen last: at most 1,000."""
    async with connection() as pooled:
        return [_route(row) for row in await pooled.fetch(ROUTES, MOST_ROUTES)]


async def route_of(client_id: UUID) -> ModemRoute | None:
    """The client's line: set by hand, else learned and its alone, the last seen first."""
    async with connection() as pooled:
        row = await pooled.fetchrow(ROUTE_OF, client_id)
    return None if row is None else _route(row)


async def write_modem_route(
    tx: Connection, client_id: UUID, line: Line, numbers: Sequence[str] | None
) -> ModemRoute:
    """The line is the client's, set by hand; its numbers are these, or stay (None)."""
    if await tx.fetchrow(LINE_OF_ANOTHER, client_id, line.modem, line.port) is not None:
        raise InvalidInput("This modem and port are set to be another client's.", field="port")
    another = await tx.fetchval(NUMBER_OF_ANOTHER, client_id, list(numbers or ()))
    if another is not None:
        raise InvalidInput(f"{another} is another client's.", field="assignedNumbers")
    route_id = await tx.fetchval(WRITE_ROUTE, new_id(), client_id, line.modem, line.port)
    if numbers is not None:
        await tx.execute(DROP_NUMBERS, route_id, list(numbers))
        await tx.execute(ADD_NUMBERS, client_id, route_id, list(numbers))
    return await _find_route(tx, route_id)


async def drop_modem_route(tx: Connection, route_id: UUID) -> ModemRoute:
    """The route as it was; it is gone, with the numbers that came with it. Raises NotFound."""
    route = await _find_route(tx, route_id)
    await tx.execute(DROP_ROUTE, route_id)
    return route


async def _find_route(tx: Connection, route_id: UUID) -> ModemRoute:
    row = await tx.fetchrow(ROUTE_BY_ID, route_id)
    if row is None:
        raise NotFound("modem route")
    return _route(row)


def _route(row: Record) -> ModemRoute:
    route_id, client_id, modem, port, numbers, learned, last_seen_at = row
    return ModemRoute(route_id, client_id, modem, port, tuple(numbers), learned, last_seen_at)


def event_of(row: Record) -> WebhookEvent:
    return WebhookEvent(
        id=row["id"],
        received_at=row["received_at"],
        provider=row["provider"],
        outcome=WebhookOutcome(row["outcome"]),
        reason=row["reason"],
        client_id=row["client_id"],
        inbound_id=row["inbound_id"],
        modem=row["modem"],
        port=row["port"],
        payload=_payload(row["body"]),
        updated_at=row["updated_at"],
        times=row["times"],
    )


def _payload(body: bytes) -> Any:
    """What was said: as JSON where that can be written again, else the text of it. Never None."""
    if not body:
        return {}
    with suppress(orjson.JSONDecodeError):
        said = orjson.loads(body)
        if said is not None and _nests_within(said, DEEPEST_PAYLOAD):
            return said
    return {"text": body.decode(errors="replace")}


def _nests_within(said: Any, levels: int) -> bool:
    match said:
        case dict():
            return levels > 0 and all(_nests_within(each, levels - 1) for each in said.values())
        case list():
            return levels > 0 and all(_nests_within(each, levels - 1) for each in said)
    return True
