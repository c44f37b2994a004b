"""Contacts are searched within a scope, by any part of a number or a name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product

import pytest

from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.ids import new_id
from domain.inbox.messages import ContactOrder
from domain.pages import Window
from persistence.inbox import contacts
from persistence.inbox.contacts import read_contacts
from persistence.inbox.models import Contact
from tests import db


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[db.Tenant]:
    async with db.connected(database_url):
        yield await db.add_client()


async def add_contact(
    tenant: db.Tenant, number: str, *, name: str | None = None, business: str | None = None
) -> None:
    await Contact.create(
        id=new_id(), client_id=tenant.client_id, number=number, name=name, business=business
    )


async def test_contacts_are_listed_newest_first_within_the_scope(client: db.Tenant) -> None:
    sibling = await db.add_client(client.pool)
    await add_contact(client, "+12025550101", name="Ada", business="Acme")
    await add_contact(client, "+12025550102")
    await add_contact(sibling, "+12025550103")
    page = await read_contacts(OfClient(client.client_id), Window(25))
    assert [contact.number for contact in page.items] == ["+12025550102", "+12025550101"]
    assert [contact.name for contact in page.items] == [None, "Ada"]
    assert [contact.business for contact in page.items] == [None, "Acme"]
    assert not any(contact.opted_out for contact in page.items)
    assert {contact.client_id for contact in page.items} == {client.client_id}
    assert len((await read_contacts(Everything(), Window(25))).items) == 3
    assert (await read_contacts(OfGroup(new_id()), Window(25))).items == []


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ada", ["1"]),
        ("LOVELÀCE", ["1"]),
        ("ACME", ["2"]),
        ("202-555", ["2", "1"]),
        ("(202) 555-0101", ["1"]),
        ("%", []),
        ("_", []),
        ("nobody", []),
    ],
)
async def test_contacts_are_searched_by_number_name_and_business(
    client: db.Tenant, search: str, found: list[str]
) -> None:
    await add_contact(client, "+12025550101", name="Áda Lovelace")
    await add_contact(client, "+12025550102", business="Acmé")
    page = await read_contacts(OfClient(client.client_id), Window(25), search=search)
    assert [contact.number[-1] for contact in page.items] == found


@pytest.mark.parametrize(
    "name", ["أحمد", "김민수", "がく", "Dɛ́bora", "মোহন", "Zoë\u0301", "ẞ", "{a.b}\\"]
)
async def test_a_contact_is_found_by_its_own_name(client: db.Tenant, name: str) -> None:
    await add_contact(client, "+12025550101", name=name)
    page = await read_contacts(OfClient(client.client_id), Window(25), search=name)
    assert len(page.items) == 1


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("Łukasz Żak", "lukasz zak"),
        ("Lukasz", "łukasz"),
        ("Strasse", "Straſse"),
        ("Straſse", "strasse"),
        ("SØREN ÆRØ", "soren aero"),
        ("Soren Aero", "søren ærø"),
        ("Đorđe", "dor"),
        ("Jörg Groß", "jorg gros"),
        ("GROSS", "groß"),
        ("Groß", "gross"),
        ("Þóra Œdé", "thora oede"),
        ("Ɓala Ƙwari", "bala kwari"),
        ("Yıldız", "yildiz"),
        ("Kɔfi Ɛsi", "kofi esi"),
    ],
)
async def test_a_contact_is_found_without_its_own_letters(
    client: db.Tenant, name: str, search: str
) -> None:
    await add_contact(client, "+12025550101", name=name)
    await add_contact(client, "+12025550102", name="Bob")
    page = await read_contacts(OfClient(client.client_id), Window(25), search=search)
    assert [contact.name for contact in page.items] == [name]


async def test_contacts_of_all_clients_are_paged_by_name(client: db.Tenant) -> None:
    sibling = await db.add_client(client.pool)
    names = ["Eve", "ada", "Ada", None, "Bob", None]
    for last, name in enumerate(names):
        await add_contact((client, sibling)[last % 2], f"+1202555010{last}", name=name)
    order = ContactOrder.NAME
    by_name = [1, 2, 4, 0, 3, 5]
    whole = await read_contacts(Everything(), Window(25), order=order)
    assert [int(contact.number[-1]) for contact in whole.items] == by_name
    for size in (1, 2, 4):
        first = await read_contacts(Everything(), Window(size), order=order)
        after = Window(size, after=first.items[-1].key)
        second = await read_contacts(Everything(), after, order=order)
        before = Window(size, before=second.items[0].key, from_end=True)
        again = await read_contacts(Everything(), before, order=order)
        assert [*first.items, *second.items] == whole.items[: 2 * size]
        assert again.items == first.items
        assert (first.has_next, second.has_previous) == (True, True)
    await db.opt_out(sibling.client_id, "+12025550101")
    left = await read_contacts(Everything(), Window(25), order=order, opted_out=False)
    assert [int(contact.number[-1]) for contact in left.items] == by_name[1:]


async def test_a_search_of_all_clients_reads_the_newest_and_whole_numbers(
    client: db.Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "MOST_SEARCHED", 2)
    for last in range(4):
        await add_contact(client, f"+1202555010{last}", name="Ada")
    found = {}
    scopes: list[Scope] = [Everything(), OfClient(client.client_id)]
    for scope, search in product(scopes, ("ada", "+12025550100")):
        page = await read_contacts(scope, Window(25), search=search)
        found[type(scope), search] = "".join(contact.number[-1] for contact in page.items)
    assert found == {
        (Everything, "ada"): "32",
        (Everything, "+12025550100"): "0",
        (OfClient, "ada"): "3210",
        (OfClient, "+12025550100"): "0",
    }
