"""Pages of querysets: a list is read without gaps or repeats, in any order and page size."""

from __future__ import annotations

from typing import Any

import pytest
from tortoise.functions import Lower

from domain.ids import new_id
from domain.pages import Page, Window
from persistence.identity.models import Client
from persistence.pages import list_page
from tests.databases import OtherConnection

ORDERS = [
    ("-id",),
    ("id",),
    ("name", "id"),
    ("-name", "id"),
    ("name", "-id"),
    ("name", "-status", "id"),
]


async def add_clients() -> str:
    """Clients of which several have the same name; they share a business."""
    business = str(new_id())
    for name in "cabbacab":
        for status in ("ACTIVE", "DORMANT"):
            await Client.create(
                id=new_id(), account_id=new_id(), name=name, business=business, status=status
            )
    return business


def key_of(client: Client, order: tuple[str, ...]) -> Any:
    """The key of a client in this order."""
    key = tuple(getattr(client, name.removeprefix("-")) for name in order)
    return key[0] if len(key) == 1 else key


async def read_all(business: str, order: tuple[str, ...], *, from_end: bool) -> list[Client]:
    """All clients, by pages of 3."""
    found: list[Client] = []
    key = None
    while True:
        border: dict[str, Any] = {"before" if from_end else "after": key}
        window: Window[Any] = Window(3, from_end=from_end, **border)
        page = await list_page(Client.filter(business=business), window, order=order, count=True)
        assert page.total == 16
        found = [*page.items, *found] if from_end else [*found, *page.items]
        if not (page.has_previous if from_end else page.has_next):
            return found
        key = key_of(page.items[0 if from_end else -1], order)


@pytest.mark.parametrize("order", ORDERS, ids=",".join)
async def test_the_pages_together_are_the_whole_list_in_order(
    connected: None, order: tuple[str, ...]
) -> None:
    business = await add_clients()
    expected = await Client.filter(business=business).order_by(*order)
    assert await read_all(business, order, from_end=False) == expected
    assert await read_all(business, order, from_end=True) == expected


async def test_a_page_between_two_keys_says_whether_there_is_more_on_either_side(
    connected: None,
) -> None:
    business = await add_clients()
    order = ("name", "id")
    clients = await Client.filter(business=business).order_by(*order)
    window = Window(
        100, after=key_of(clients[2], order), before=key_of(clients[9], order), from_end=True
    )
    page = await list_page(Client.filter(business=business), window, order=order)
    assert page == Page(clients[3:9], has_next=True, has_previous=False)


async def test_an_annotation_may_order_a_list(connected: None) -> None:
    business = str(new_id())
    for name in ("b", "A", "C"):
        await Client.create(id=new_id(), account_id=new_id(), name=name, business=business)
    clients = Client.filter(business=business).annotate(sorted_by=Lower("name"))
    window: Window[Any] = Window(1)
    names: list[str] = []
    while window.after is None or names[-1] != "C":
        page = await list_page(clients, window, order=("sorted_by", "id"))
        names.append(page.items[0].name)
        window = Window(1, after=(names[-1].lower(), page.items[0].id))
    assert names == ["A", "b", "C"]


async def test_a_page_of_two_columns_is_found_in_an_index(
    connected: None, undone: OtherConnection
) -> None:
    await undone.execute("CREATE INDEX by_name ON client (name, id)")
    await undone.execute("SET LOCAL enable_seqscan = off")
    sql = (
        "EXPLAIN SELECT * FROM client WHERE name >= 'a' AND (name > 'a' OR id > gen_random_uuid())"
        " ORDER BY name, id LIMIT 4"
    )
    plan = "\n".join(row[0] for row in await undone.fetch(sql))
    assert "Index Cond: (name >= 'a'::text)" in plan
