"""The client of a line, by the email of one of its users."""

from __future__ import annotations

from collections.abc import Iterable

from domain.identity.access import Everything, Payer
from domain.identity.directory import email_of
from domain.imports.ports import FindsPayers

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
