"""Contacts as they are looked up: pages by key, newest first, within a scope."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.access import Everything, OfClient, OfGroup, Scope
from domain.pages import Page, Window
from domain.reading.contacts import Contact
from domain.reading.search import digits_of
from persistence.pages import Filter, matching, read_page

if TYPE_CHECKING:
    from asyncpg import Record

CONTACTS = """
SELECT id, client_id, number, name, business, created_at, EXISTS (
    SELECT FROM opt_out
    WHERE opt_out.client_id = page.client_id AND opt_out.number = page.number) AS opted_out
FROM (SELECT * FROM contact {page}) AS page ORDER BY id {order}
"""


async def read_contacts(
    scope: Scope, window: Window[UUID], *, search: str | None = None
) -> Page[Contact]:
    """The contacts of a scope, newest first. `search`: a part of the number or of a name."""
    wanted = Filter()
    match scope:
        case Everything():
            pass
        case OfClient(client_id):
            wanted.add("client_id = {}", client_id)
        case OfGroup():
            wanted.add("false")  # a supervisor does not read whom the members write to
    if search is not None:
        pattern = matching(search)
        number = matching(digits_of(search) or search)
        wanted.add(
            "(number LIKE {} OR name ILIKE {} OR business ILIKE {})", number, pattern, pattern
        )
    return await read_page(CONTACTS, wanted, window, contact_of)


def contact_of(row: Record) -> Contact:
    """A contact as a row of it says."""
    return Contact(
        id=row["id"],
        client_id=row["client_id"],
        number=row["number"],
        name=row["name"],
        business=row["business"],
        opted_out=row["opted_out"],
        created_at=row["created_at"],
    )
