"""Finds the client that an operator names on the command line."""

from __future__ import annotations

from uuid import UUID

from domain import ids
from domain.identity.access import Everything
from domain.identity.directory import Client, ClientFilter
from domain.ids import Kind
from domain.pages import Window
from ibiki.errors import CommandError
from persistence import store

MOST_FOUND = 1_000


async def client_named(text: str) -> Client:
    """The client with this ID, with a user of this email, or with this name, ignoring case.

    Raises CommandError if there is none, or if several have this name.
    """
    found = await _with_id(text) or await _with_email(text) or await _with_name(text)
    if found is None:
        raise CommandError(
            f"No client “{text}”. Give the name of the client, its ID (cli_…) or the email of one"
            " of its users."
        )
    return found


async def _with_id(text: str) -> Client | None:
    client_id = ids.find(Kind.CLIENT, text)
    return await _found(client_id) if client_id else None


async def _with_email(text: str) -> Client | None:
    user = await store.find_user_by_email(text)
    return await _found(user.client_id) if user and user.client_id else None


async def _with_name(text: str) -> Client | None:
    wanted = text.strip()
    named = ClientFilter(search=wanted)
    page = await store.list_clients(Everything(), Window(MOST_FOUND), filter=named)
    same = [each for each in page.items if each.name.casefold() == wanted.casefold()]
    if len(same) > 1:
        listed = ", ".join(ids.encode(Kind.CLIENT, each.id) for each in same[:10])
        raise CommandError(
            f"{len(same)} clients are called “{wanted}”. Give one of their IDs: {listed}."
        )
    return same[0] if same else None


async def _found(client_id: UUID) -> Client | None:
    return (await store.find_clients(Everything(), [client_id])).get(client_id)
