"""Contacts, looked up by everybody."""

from __future__ import annotations

import pytest

from domain.ids import new_id
from persistence.inbox.models import Contact
from tests import worlds
from tests.installations import App

CONTACTS = """query ($search: String) { contacts(search: $search) {
    nodes { number name business optedOut createdAt } totalCount pageInfo { hasNextPage } } }"""


async def add_contact(tenant: worlds.Tenant, number: str, name: str | None = None) -> None:
    await Contact.create(
        id=new_id(), client_id=tenant.client_id, number=number, name=name, business="Acme Ltd"
    )


@pytest.mark.parametrize(
    ("who", "code", "found"),
    [
        ("owner", None, ["+12025550102", "+12025550101"]),
        ("direct", None, ["+12025550102", "+12025550101"]),
        ("sibling", None, ["+12025550103"]),
        ("loner", None, []),
        ("admin", None, ["+12025550103", "+12025550102", "+12025550101"]),
        ("supervisor", "FORBIDDEN", []),
        ("other_supervisor", "FORBIDDEN", []),
        ("nobody", "UNAUTHENTICATED", []),
    ],
)
async def test_everybody_sees_the_own_contacts_alone(
    app: App, who: str, code: str | None, found: list[str]
) -> None:
    await add_contact(app.owner, "+12025550101")
    await add_contact(app.owner, "+12025550102")
    await add_contact(app.sibling, "+12025550103")
    assert await app.code(who, CONTACTS) == code
    if code is None:
        answer = await app.answer(who, CONTACTS)
        assert [node["number"] for node in answer["nodes"]] == found
        assert (answer["totalCount"], answer["pageInfo"]["hasNextPage"]) == (None, False)


async def test_a_contact_is_found_by_a_part_of_its_name_or_number(app: App) -> None:
    await add_contact(app.owner, "+12025550101", "Ada")
    await add_contact(app.owner, "+12025550102")
    for search in ("ada", "(202) 555-0101"):
        [node] = (await app.answer("owner", CONTACTS, search=search))["nodes"]
        assert node.pop("createdAt").endswith("Z")
        assert node == {
            "number": "+12025550101",
            "name": "Ada",
            "business": "Acme Ltd",
            "optedOut": False,
        }
    assert await app.code("owner", CONTACTS, search="x" * 201) == "BAD_USER_INPUT"
