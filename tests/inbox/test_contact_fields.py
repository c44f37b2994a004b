"""Lists of contacts by role, filter and order."""

from __future__ import annotations

from typing import Any

import pytest

from domain.ids import new_id
from persistence.inbox.models import Contact
from tests import db
from tests.installations import App


async def add_contact(tenant: db.Tenant, number: str, name: str | None = None) -> None:
    await Contact.create(
        id=new_id(), client_id=tenant.client_id, number=number, name=name, business="Acme Ltd"
    )


FILTERED = """query ($filter: ContactFilter, $orderBy: ContactOrder, $search: String, $first: Int,
    $after: String, $last: Int, $before: String) {
  contacts(filter: $filter, orderBy: $orderBy, search: $search, first: $first, after: $after,
           last: $last, before: $before) {
    nodes { number optedOut answerable } pageInfo { startCursor endCursor } } }"""


async def numbers(app: App, **requested: Any) -> list[str]:
    nodes = (await app.answer("owner", FILTERED, **requested))["nodes"]
    return [node["number"][-1] for node in nodes]


async def opt_out(tenant: db.Tenant, number: str) -> None:
    await db.opt_out(tenant.client_id, number, source="KEYWORD")


async def test_contacts_are_filtered_by_opt_out(app: App) -> None:
    for each in range(1, 5):
        await add_contact(app.owner, f"+1202555010{each}", "Ada" if each > 2 else None)
    await opt_out(app.owner, "+12025550102")
    await opt_out(app.owner, "+12025550104")
    await opt_out(app.sibling, "+12025550101")
    assert await numbers(app, filter={"optedOut": True}) == ["4", "2"]
    assert await numbers(app, filter={"optedOut": False}) == ["3", "1"]
    assert await numbers(app, filter={"optedOut": None}) == ["4", "3", "2", "1"]
    assert await numbers(app, filter={"optedOut": True}, search="ada") == ["4"]
    assert await numbers(app, filter={"optedOut": True}, orderBy="OLDEST") == ["2", "4"]


NAMES = ["bob", None, "Ada", "\u00c9mile", None, "ada", "Zoe"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("order", ["NEWEST", "OLDEST", "NAME"])
async def test_pages_in_every_order_meet_without_a_gap(app: App, order: str, size: int) -> None:
    for each, name in enumerate(NAMES):
        await add_contact(app.owner, f"+1202555010{each}", name)
    whole = await numbers(app, orderBy=order, first=100)
    assert sorted(whole) == [str(each) for each in range(len(NAMES))]
    assert await paged(app, order, size) == whole
    assert await paged(app, order, size, backwards=True) == whole


async def test_contacts_are_sorted_by_name_without_regard_to_case(app: App) -> None:
    for each, name in enumerate(["bob", None, "Ada", None, "ada b", "Zoe"]):
        await add_contact(app.owner, f"+1202555010{each}", name)
    assert await numbers(app, orderBy="NAME") == ["2", "4", "0", "5", "1", "3"]
    assert await numbers(app, orderBy="NAME", search="ada") == ["2", "4"]


async def paged(app: App, order: str, size: int, *, backwards: bool = False) -> list[str]:
    """The last digits of all numbers, read page by page."""
    found: list[str] = []
    cursor = None
    while True:
        window: dict[str, Any] = {"first": size, "after": cursor}
        if backwards:
            window = {"last": size, "before": cursor}
        page = await app.answer("owner", FILTERED, orderBy=order, **window)
        some = [node["number"][-1] for node in page["nodes"]]
        if not some:
            return found
        found = some + found if backwards else found + some
        cursor = page["pageInfo"]["startCursor" if backwards else "endCursor"]


@pytest.mark.parametrize("cursor", ["", "c", "x", "c00000000000000000000000001.!", "u0", "c.YQ"])
async def test_an_invalid_cursor_or_search_is_refused(app: App, cursor: str) -> None:
    assert await app.code("owner", FILTERED, after=cursor) == "BAD_USER_INPUT"
    assert await app.code("owner", FILTERED, search="x" * 201) == "BAD_USER_INPUT"


async def test_contacts_say_whether_they_can_be_answered(app: App) -> None:
    await add_contact(app.owner, "+12025550101")
    await add_contact(app.owner, "SUPPORT")
    nodes = (await app.answer("owner", FILTERED))["nodes"]
    found = {node["number"]: node["answerable"] for node in nodes}
    assert found == {"+12025550101": True, "SUPPORT": False}
