"""The endpoints of clients, and the log of their deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tortoise.expressions import F, RawSQL
from tortoise.models import Model

from domain.errors import NotFound
from domain.hooks.deliveries import DeliveryStatus, EventType
from domain.hooks.endpoints import Delivery, Endpoint, EndpointChange
from domain.hooks.ports import SecretOwner
from domain.identity.access import Scope
from domain.ids import Kind, new_id
from domain.live import hints
from domain.pages import Page, Window
from persistence.database import Connection, note, orm
from persistence.hooks import models
from persistence.hooks.deliveries import wake_deliveries
from persistence.identity.models import Client
from persistence.ledger.models import ProviderAccount
from persistence.pages import list_page
from persistence.rows import object_of, within
from persistence.sql import NOW

MOST_LISTED = 100
# The row of an endpoint that was deleted stays for a while: see `drop_endpoint`.
PRESENT: dict[str, Any] = {"deleted_at__isnull": True}


async def list_endpoints(
    scope: Scope, *, client_id: UUID | None = None, callbacks: bool = False
) -> list[Endpoint]:
    query = within(scope, models.HookEndpoint.all()).filter(**PRESENT, is_callback=callbacks)
    if client_id is not None:
        query = query.filter(client_id=client_id)
    rows = await query.order_by("id").limit(MOST_LISTED)
    return [_endpoint(row) for row in rows]


async def find_endpoint(
    scope: Scope,
    endpoint_id: UUID,
    *,
    callbacks: bool = False,
    tx: Connection | None = None,
) -> Endpoint:
    query = within(scope, models.HookEndpoint.all()).filter(id=endpoint_id, **PRESENT)
    if not callbacks:
        query = query.filter(is_callback=False)
    query = query.using_db(orm(tx))
    row = await (query if tx is None else query.select_for_update()).first()
    if row is None:
        raise NotFound("webhook endpoint")
    return _endpoint(row)


async def add_endpoint(
    tx: Connection,
    endpoint_id: UUID,
    client_id: UUID,
    *,
    url: str,
    description: str | None,
    events: Sequence[EventType],
    secret: bytes,
    most: int,
) -> bool:
    # Transactions that add an endpoint of the same client wait for this lock: the limit holds.
    client = await Client.filter(id=client_id).using_db(orm(tx)).select_for_update().first()
    if client is None:
        raise NotFound("client")
    present = models.HookEndpoint.filter(client_id=client_id, is_callback=False, **PRESENT)
    if await present.using_db(orm(tx)).count() >= most:
        return False
    await models.HookEndpoint.create(
        using_db=orm(tx),
        id=endpoint_id,
        client_id=client_id,
        url=url,
        description=description,
        events=[each.value for each in events],
        secret=secret,
    )
    return True


async def write_endpoint(
    tx: Connection, endpoint_id: UUID, change: EndpointChange, *, pause_reason: str
) -> None:
    values: dict[str, Any] = {}
    if change.url is not None:
        values["url"] = change.url
    if change.events is not None:
        values["events"] = [each.value for each in change.events]
    if change.description is not None:
        values["description"] = change.description or None
    if change.paused:
        values |= {"paused_at": NOW, "pause_reason": pause_reason}
    elif change.paused is False or change.url is not None:
        values |= {"failures": 0, "failing_since": None, "retry_at": None}
    if change.paused is False:
        values |= {"paused_at": None, "pause_reason": None}
    if values:
        await models.HookEndpoint.filter(id=endpoint_id).using_db(orm(tx)).update(**values)
        note(tx, [hints.HOOK + endpoint_id.bytes])
    if "retry_at" in values:
        await wake_deliveries(tx, [endpoint_id])


async def replace_secret(
    tx: Connection, endpoint_id: UUID, secret: bytes, *, overlap_hours: float
) -> None:
    await (
        models.HookEndpoint.filter(id=endpoint_id)
        .using_db(orm(tx))
        .update(
            previous_secret=F("secret"),
            secret=secret,
            previous_until=datetime.now(UTC) + timedelta(hours=overlap_hours),
        )
    )


async def drop_endpoint(tx: Connection, endpoint_id: UUID) -> None:
    """The row stays until its deliveries are purged: nothing is posted to it any more."""
    rows = models.HookEndpoint.filter(id=endpoint_id).using_db(orm(tx))
    await rows.update(deleted_at=NOW, secret=b"", previous_secret=None)


async def queue_test(tx: Connection, endpoint: Endpoint) -> UUID:
    return await _queue(
        tx,
        endpoint_id=endpoint.id,
        client_id=endpoint.client_id,
        event_id=new_id(),
        type=EventType.WEBHOOK_TEST.value,
        subject=endpoint.id,
    )


async def queue_again(tx: Connection, delivery: Delivery) -> UUID:
    row = await models.HookDelivery.filter(id=delivery.id).using_db(orm(tx)).get()
    return await _queue(
        tx,
        endpoint_id=row.endpoint_id,
        client_id=row.client_id,
        event_id=row.event_id,
        type=row.type,
        subject=row.subject,
        facts=row.facts,
        url=row.url,
        occurred_at=row.occurred_at,
    )


async def find_delivery(
    scope: Scope, delivery_id: UUID, *, tx: Connection | None = None
) -> Delivery:
    row = (
        await within(scope, models.HookDelivery.all())
        .filter(id=delivery_id)
        .using_db(orm(tx))
        .first()
    )
    if row is None:
        raise NotFound("webhook delivery")
    return _delivery(row)


async def read_deliveries(
    scope: Scope,
    endpoint_id: UUID,
    window: Window[UUID],
    *,
    status: DeliveryStatus | None = None,
) -> Page[Delivery]:
    query = within(scope, models.HookDelivery.all()).filter(endpoint_id=endpoint_id)
    if status is not None:
        # Written into the statement, so that the partial indexes can be used.
        query = query.annotate(is_status=RawSQL(f"(status = '{status.value}')")).filter(
            is_status=True
        )
    page = await list_page(query, window)
    return page.with_items([_delivery(row) for row in page.items])


async def owners_of_secrets() -> list[SecretOwner]:
    accounts = ProviderAccount.filter(credentials__isnull=False).order_by("id")
    endpoints = models.HookEndpoint.filter(secret__isnull=False, **PRESENT).order_by("id")
    return [
        *[(Kind.PROVIDER_ACCOUNT, row.id) for row in await accounts.only("id")],
        *[(Kind.HOOK_ENDPOINT, row.id) for row in await endpoints.only("id")],
    ]


async def replace_secrets(
    tx: Connection, owner: SecretOwner, change: Callable[[bytes], bytes]
) -> None:
    kind, owner_id = owner
    model: type[Model] = models.HookEndpoint
    names = ["secret", "previous_secret"]
    if kind is Kind.PROVIDER_ACCOUNT:
        model, names = ProviderAccount, ["credentials"]
    rows = model.filter(id=owner_id).using_db(orm(tx))
    row = await rows.select_for_update().get()
    values = {name: value for name in names if (value := getattr(row, name)) is not None}
    if values:
        await rows.update(**{name: change(value) for name, value in values.items()})


async def _queue(tx: Connection, **values: Any) -> UUID:
    """Writes a delivery that a person requested. It does not wait until the endpoint is due."""
    delivery_id = new_id()
    endpoint = models.HookEndpoint.filter(id=values["endpoint_id"]).using_db(orm(tx))
    await endpoint.update(retry_at=None)
    await models.HookDelivery.create(using_db=orm(tx), id=delivery_id, **values)
    note(tx, [hints.HOOK + values["endpoint_id"].bytes])
    return delivery_id


def _endpoint(row: models.HookEndpoint) -> Endpoint:
    events = [EventType(each) for each in row.events]
    return object_of(Endpoint, row, events=events, seen_at=datetime.now(UTC))


def _delivery(row: models.HookDelivery) -> Delivery:
    return object_of(Delivery, row, type=EventType(row.type), status=DeliveryStatus(row.status))
