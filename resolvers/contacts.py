"""Contacts, looked up."""

from __future__ import annotations

from uuid import UUID

from domain.access import message_scope
from domain.pages import Page, Window
from domain.reading.contacts import Contact
from domain.reading.search import search_of
from resolvers.context import Info, actor_of


async def contacts(info: Info, window: Window[UUID], search: str | None = None) -> Page[Contact]:
    """The actor's contacts, newest first."""
    scope = message_scope(actor_of(info))
    return await info.context.house.store.read_contacts(scope, window, search=search_of(search))
