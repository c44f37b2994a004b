"""Webhook events and modem routes, as the operator reads and sets them.

SQL for two look-ups of a reply or a send: each joins tables without foreign keys in one round trip.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from tortoise.expressions import Q, RawSQL
from tortoise.functions import Sum
from tortoise.queryset import QuerySet

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Everything, OfClient
from domain.ids import first_id_at, new_id
from domain.inbox.messages import ModemRoute, ReplyOrigin
from domain.inbox.webhooks import (
    DueEvent,
    EventKey,
    LockedEvent,
    WebhookEvent,
    WebhookOutcome,
    WebhookStatus,
)
from domain.pages import Page, Window
from domain.sending.messages import Line
from persistence.database import Connection, connection, fetch, fetch_row, orm
from persistence.identity.models import AssignedNumber
from persistence.inbox.models import ModemRoute as RouteRow
from persistence.inbox.models import WebhookEvent as EventRow
from persistence.pages import list_page
from persistence.rows import object_of

MOST_ROUTES = 1_000

DEEPEST_PAYLOAD = 100
"""json reads deeper nesting than orjson writes (254 levels)."""

EVENT_COLUMNS = (
    "id, received_at, provider, outcome, reason, client_id, inbound_id, modem, port, body,"
    " updated_at, sender, opt_out_pending, times"
)

# A repetition has the body of its original, as long as there is one.
BODY = """
CASE WHEN webhook_event.original_id IS NULL THEN webhook_event.body ELSE coalesce((
    SELECT original.body FROM webhook_event AS original
    WHERE original.id = webhook_event.original_id), '') END
"""

# As annotations, so that routes can be filtered and sorted by them. A learned line belongs to a
# client as long as no other client has been seen on it.
IS_SHARED = """
EXISTS (SELECT FROM modem_route AS other
        WHERE other.modem = modem_route.modem AND other.port = modem_route.port
          AND other.client_id <> modem_route.client_id)
"""
SEEN_AT = "coalesce(modem_route.last_seen_at, 'epoch')"

REPLY_ORIGIN = """
SELECT event.provider, own.provider, CASE WHEN event.provider_account_id IS NULL THEN array(
    SELECT id FROM provider_account
    WHERE provider = event.provider AND owner_client_id IS NULL ORDER BY is_default DESC, id)
    ELSE ARRAY[event.provider_account_id] END, event.provider_account_id = own.id
FROM webhook_event AS event, provider_account AS own
WHERE event.id = $1 AND own.id = $2 AND event.client_id = $3
"""
LINES_OF_NUMBERS = """
SELECT number, modem, port FROM assigned_number JOIN modem_route ON modem_route.id = route_id
WHERE assigned_number.client_id = $1 AND modem_route.client_id = $1
"""


async def read_webhook_events(
    scope: Everything, window: Window[EventKey], *, outcome: WebhookOutcome | None = None
) -> Page[WebhookEvent]:
    query = _events() if outcome is None else _with_outcome(_events(), outcome)
    if outcome is WebhookOutcome.UNROUTED:
        page = await list_page(query, window, order=("-opt_out_pending", "-id"))
    else:
        page = await list_page(query, window.with_keys(lambda key: key[1]))
    return page.with_items([_event(row) for row in page.items])


async def find_webhook_event(
    scope: Everything, event_id: UUID, *, tx: Connection | None = None
) -> WebhookEvent:
    row = await _events().filter(id=event_id).using_db(orm(tx)).first()
    if row is None:
        raise NotFound("webhook event")
    return _event(row)


async def read_webhook_status(scope: Everything) -> WebhookStatus:
    hour_ago = first_id_at(datetime.now(UTC) - timedelta(hours=1))
    refused = Q(outcome=WebhookOutcome.REFUSED.value)
    async with connection() as pooled:
        events = EventRow.all().using_db(orm(pooled))
        newest = _events().using_db(orm(pooled)).order_by("-id")
        last = await newest.filter(~refused).first()
        routed = await _with_outcome(newest, WebhookOutcome.ROUTED).first()
        unrouted = events.filter(outcome=WebhookOutcome.UNROUTED.value, due_at__isnull=True)
        refusals = events.filter(refused, id__gte=hour_ago).annotate(total=Sum("times"))
        [refusal_counts] = await refusals.values("total")
        return WebhookStatus(
            last_event=_event(last) if last else None,
            last_routed_client_id=routed.client_id if routed else None,
            events_last_hour=await events.filter(~refused, id__gte=hour_ago).count(),
            unrouted=await unrouted.count(),
            pending_opt_outs=await events.filter(opt_out_pending=True).count(),
            refused_last_hour=refusal_counts["total"] or 0,
        )


async def lock_event(tx: Connection, event_id: UUID) -> LockedEvent:
    row = await _events().filter(id=event_id).using_db(orm(tx)).select_for_update().first()
    if row is None:
        raise NotFound("webhook event")
    # Only the age of reports is read, and they cannot be assigned.
    event = object_of(DueEvent, row, body=_body_of(row), age_seconds=0.0)
    return object_of(LockedEvent, row, event=event, outcome=WebhookOutcome(row.outcome))


async def read_modem_routes(scope: Everything) -> list[ModemRoute]:
    async with connection() as pooled:
        return await _routes(pooled, _in_order(RouteRow.all()).limit(MOST_ROUTES))


async def route_of(client_id: UUID) -> ModemRoute | None:
    query = RouteRow.annotate(shared=RawSQL(IS_SHARED)).filter(
        Q(learned=False) | Q(shared=False), client_id=client_id
    )
    async with connection() as pooled:
        found = await _routes(pooled, _in_order(query).limit(1))
    return found[0] if found else None


async def find_reply_origin(
    scope: OfClient, inbound_id: UUID, provider_account_id: UUID
) -> ReplyOrigin | None:
    row = await fetch_row(REPLY_ORIGIN, inbound_id, provider_account_id, scope.client_id)
    return None if row is None else ReplyOrigin(*row)


async def lines_of_numbers(scope: OfClient) -> dict[str, Line]:
    rows = await fetch(LINES_OF_NUMBERS, scope.client_id)
    return {row["number"]: Line(row["modem"], row["port"]) for row in rows}


async def write_modem_route(
    tx: Connection, client_id: UUID, line: Line, numbers: Sequence[str] | None
) -> ModemRoute:
    db = orm(tx)
    on_line = RouteRow.filter(modem=line.modem, port=line.port).using_db(db)
    if await on_line.filter(~Q(client_id=client_id), learned=False).exists():
        raise InvalidInput(
            "This modem and port are assigned to another client. Delete that route first.",
            field="port",
        )
    given = list(numbers or ())
    others = AssignedNumber.filter(~Q(client_id=client_id), number__in=given).using_db(db)
    another = await others.order_by("number").first()
    if another is not None:
        raise InvalidInput(
            f"{another.number} is assigned to another client. Remove it there first.",
            field="assignedNumbers",
        )
    # Receiving may learn the same route at this moment, so this is an INSERT … ON CONFLICT.
    await RouteRow.bulk_create(
        [
            RouteRow(
                id=new_id(), client_id=client_id, modem=line.modem, port=line.port, learned=False
            )
        ],
        on_conflict=["client_id", "modem", "port"],
        update_fields=["learned"],
        using_db=db,
    )
    route = await on_line.get(client_id=client_id)
    if numbers is not None:
        of_route = AssignedNumber.filter(route_id=route.id).using_db(db)
        await of_route.filter(number__not_in=given).delete()
        await AssignedNumber.bulk_create(
            [AssignedNumber(number=n, client_id=client_id, route_id=route.id) for n in given],
            on_conflict=["number"],
            update_fields=["route_id"],
            using_db=db,
        )
    return await _find_route(tx, route.id)


async def drop_modem_route(tx: Connection, route_id: UUID) -> ModemRoute:
    route = await _find_route(tx, route_id)
    await RouteRow.filter(id=route_id).using_db(orm(tx)).delete()
    return route


async def _find_route(tx: Connection, route_id: UUID) -> ModemRoute:
    found = await _routes(tx, RouteRow.filter(id=route_id))
    if not found:
        raise NotFound("modem route")
    return found[0]


def _in_order(query: QuerySet[RouteRow]) -> QuerySet[RouteRow]:
    """Routes set by hand, then learned ones, last seen first."""
    return query.annotate(seen_at=RawSQL(SEEN_AT)).order_by("learned", "-seen_at", "-id")


async def _routes(held: Connection, query: QuerySet[RouteRow]) -> list[ModemRoute]:
    """The routes with their assigned numbers."""
    rows = await query.using_db(orm(held))
    numbers: dict[UUID, list[str]] = {row.id: [] for row in rows}
    assigned = AssignedNumber.filter(route_id__in=list(numbers)).using_db(orm(held))
    for each in await assigned.order_by("number"):
        assert each.route_id is not None
        numbers[each.route_id].append(each.number)
    return [object_of(ModemRoute, row, assigned_numbers=tuple(numbers[row.id])) for row in rows]


def event_of(row: Any) -> WebhookEvent:
    """The event of a row that was read with EVENT_COLUMNS."""
    values = {name: row[name] for name in EVENT_COLUMNS.split(", ")}
    body = values.pop("body")
    outcome = WebhookOutcome(values.pop("outcome"))
    return WebhookEvent(**values, outcome=outcome, payload=_payload(body))


def _events() -> QuerySet[EventRow]:
    return EventRow.annotate(whole_body=RawSQL(BODY))


def _with_outcome(query: QuerySet[EventRow], outcome: WebhookOutcome) -> QuerySet[EventRow]:
    # A literal: a plan for any outcome could not use the partial indexes.
    has_outcome = RawSQL(f"(outcome = '{outcome.value}')")
    return query.annotate(has_outcome=has_outcome).filter(has_outcome=True)


def _body_of(row: EventRow) -> bytes:
    body: bytes = row.whole_body  # type: ignore[attr-defined] # of `_events`
    return body


def _event(row: EventRow) -> WebhookEvent:
    values = {name: getattr(row, name) for name in EVENT_COLUMNS.split(", ")}
    return event_of(values | {"body": _body_of(row)})


def _payload(body: bytes) -> Any:
    """The body as JSON if it can be written as JSON, else its text. Never None."""
    if not body:
        return {}
    # strict=False: providers put raw line feeds into JSON, and their events are received too.
    with suppress(ValueError, RecursionError):
        payload = json.loads(body, strict=False, parse_constant=str)
        if payload is not None and _can_be_written(payload):
            return payload
    return {"text": body.decode(errors="replace")}


def _can_be_written(payload: Any) -> bool:
    with suppress(orjson.JSONEncodeError):
        orjson.dumps(payload)
        return _nests_within(payload, DEEPEST_PAYLOAD)
    return False


def _nests_within(payload: Any, levels: int) -> bool:
    match payload:
        case dict():
            return levels > 0 and all(_nests_within(each, levels - 1) for each in payload.values())
        case list():
            return levels > 0 and all(_nests_within(each, levels - 1) for each in payload)
    return True
