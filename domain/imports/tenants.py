"""The client of a contact or opt-out: named for all lines by the operator, or by each line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar
from uuid import UUID

from domain.errors import InvalidFile
from domain.identity.access import Everything, Payer
from domain.identity.directory import email_of
from domain.imports.ports import FindsPayers
from domain.imports.table import Columns
from domain.sending.files.csv_rows import Row
from domain.sending.files.layout import Layout

Item = TypeVar("Item")


class Tenants:
    """The clients of the lines of a file."""

    def __init__(self, store: FindsPayers, layout: Layout, client_id: UUID | None) -> None:
        """`client_id`: of all lines; None: each line has a client_email. Raises InvalidFile."""
        self._store = store
        self._client_id = client_id
        self._columns = Columns(layout, required=(), optional=(EMAIL,))
        if client_id is None and not self._columns.has(EMAIL):
            raise InvalidFile(
                f"The file has no column {EMAIL}. Add it, or name the client of all lines with"
                " --client."
            )

    def email_in(self, row: Row) -> str:
        """The email of a line; empty if all lines are of one client. Raises InvalidInput."""
        return email_of(self._columns.texts_of(row)[EMAIL]) if self._client_id is None else ""

    async def resolve(self, lines: Sequence[tuple[str, Item]]) -> list[tuple[UUID, Item] | str]:
        """The client of each line instead of its email, or what to do."""
        if self._client_id is not None:
            return [(self._client_id, item) for _, item in lines]
        payers = await payers_of(self._store, [email for email, _ in lines])
        found: list[tuple[UUID, Item] | str] = []
        for email, item in lines:
            payer = payers[email]
            found.append(payer if isinstance(payer, str) else (payer[0].client_id, item))
        return found


EMAIL = "client_email"


async def payers_of(
    store: FindsPayers, emails: Iterable[str]
) -> dict[str, tuple[Payer, bool] | str]:
    """By email as given: the client's account and whether it owns it, or how to correct it."""
    given = set(emails)
    found = await store.find_payers(Everything(), sorted(given))
    return {email: found.get(email) or _unknown(email) for email in given}


def email_in(texts: dict[str, str]) -> str:
    """The email of a line. Raises InvalidInput."""
    return email_of(texts[EMAIL])


def _unknown(email: str) -> str:
    return (
        f"No client has a user with the email {email}. Correct it, or import the clients first"
        " (ibiki import clients)."
    )
