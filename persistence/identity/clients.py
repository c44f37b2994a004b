"""Groups and clients, with their assigned numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from tortoise.expressions import Q, RawSQL
from tortoise.functions import Lower
from tortoise.queryset import QuerySet

from domain.errors import InvalidInput
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.identity.directory import (
    ALL_CLIENTS,
    Client,
    ClientFilter,
    ClientOrder,
    ClientStatus,
    Group,
    TextKey,
)
from domain.identity.ports import Node
from domain.identity.quiet_hours import QuietHours
from domain.ledger.book import NodeKind
from domain.live import hints
from domain.pages import Page, Window
from persistence.database import Connection, note, orm
from persistence.identity import models
from persistence.identity.tree import add_node
from persistence.pages import list_page, order_columns
from persistence.rows import object_of

ASSIGNED_NUMBERS = RawSQL(
    "ARRAY(SELECT number FROM assigned_number WHERE client_id = client.id ORDER BY number)"
)


async def find_clients(
    scope: Scope, ids: Sequence[UUID], *, tx: Connection | None = None
) -> dict[UUID, Client]:
    rows = _clients(scope).filter(id__in=ids).using_db(orm(tx))
    return {row.id: _client(row) for row in await rows}


async def list_clients(
    scope: Scope,
    window: Window[TextKey],
    *,
    filter: ClientFilter = ALL_CLIENTS,
    order: ClientOrder = ClientOrder.NEWEST,
) -> Page[Client]:
    query = _clients(scope).annotate(lowered=Lower("name"))
    if filter.group_id is not None:
        query = query.filter(group_id=filter.group_id)
    if filter.search is not None:
        query = query.filter(name__icontains=filter.search)
    if filter.status is not None:
        query = query.filter(status__iexact=filter.status.value)
    columns, key_of = order_columns(order.value)
    # Counted, so each page reads the whole table: an index for each order would not help.
    page = await list_page(query, window.with_keys(key_of), order=columns, count=True)
    return page.with_items([_client(row) for row in page.items])


async def find_groups(ids: Sequence[UUID], *, tx: Connection | None = None) -> dict[UUID, Group]:
    rows = models.Group.filter(id__in=ids).using_db(orm(tx))
    return {row.id: object_of(Group, row) for row in await rows}


async def list_groups() -> list[Group]:
    rows = models.Group.annotate(lowered=Lower("name")).order_by("lowered", "id")
    return [object_of(Group, row) for row in await rows]


async def add_group(tx: Connection, group: Group, parent: Node) -> None:
    await add_node(tx, group.account_id, NodeKind.GROUP, parent)
    await models.Group.create(using_db=orm(tx), **asdict(group))


async def update_group(tx: Connection, group: Group) -> None:
    row = models.Group.filter(id=group.id).using_db(orm(tx))
    await row.update(name=group.name, rate_per_unit_usd=group.rate_per_unit_usd)
    note(tx, [hints.ACCOUNT + group.account_id.bytes])


async def add_client(tx: Connection, client: Client, parent: Node) -> None:
    await add_node(tx, client.account_id, NodeKind.CLIENT, parent)
    await models.Client.create(using_db=orm(tx), **_values(client))
    await _write_numbers(tx, client)


async def update_client(tx: Connection, client: Client) -> None:
    row = models.Client.filter(id=client.id).using_db(orm(tx))
    await row.update(**_values(client, but=("id", "account_id", "created_at")))
    note(tx, [hints.ACCOUNT + client.account_id.bytes])
    await _write_numbers(tx, client)


async def _write_numbers(tx: Connection, client: Client) -> None:
    own = models.AssignedNumber.filter(client_id=client.id).using_db(orm(tx))
    await own.exclude(number__in=client.assigned_numbers).delete()
    wanted = models.AssignedNumber.filter(number__in=client.assigned_numbers).using_db(orm(tx))
    present = {row.number: row.client_id for row in await wanted}
    for number in client.assigned_numbers:
        if present.get(number, client.id) != client.id:
            taken = f"{number} is assigned to another client. Remove it there first."
            raise InvalidInput(taken, field="assignedNumbers")
    await models.AssignedNumber.bulk_create(
        [
            models.AssignedNumber(number=number, client_id=client.id)
            for number in client.assigned_numbers
            if number not in present
        ],
        using_db=orm(tx),
    )


def _clients(scope: Scope) -> QuerySet[models.Client]:
    match scope:
        case Everything():
            within = Q()
        case OfGroup(group_id):
            within = Q(group_id=group_id)
        case OfClient(client_id):
            within = Q(id=client_id)
    return models.Client.filter(within).annotate(numbers=ASSIGNED_NUMBERS)


def _values(client: Client, *, but: Sequence[str] = ()) -> dict[str, Any]:
    """The columns of a client. Its numbers are in another table."""
    left_out = ("assigned_numbers", *but)
    return {name: value for name, value in asdict(client).items() if name not in left_out}


def _client(row: models.Client) -> Client:
    return object_of(
        Client,
        row,
        status=ClientStatus(row.status.strip().upper()),
        assigned_numbers=row.numbers,  # type: ignore[attr-defined]  # annotated
        quiet_hours=QuietHours(**row.quiet_hours) if row.quiet_hours else None,
    )
