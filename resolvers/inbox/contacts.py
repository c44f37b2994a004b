"""Contacts: looked up, and kept by those whose they are."""

from __future__ import annotations

from uuid import UUID

from domain.identity.access import message_scope
from domain.inbox import contact_import as importing
from domain.inbox import contacts as keeping
from domain.inbox.contact import Contact
from domain.inbox.contact_import import ContactsImported
from domain.pages import Page, Window
from domain.search import search_of
from resolvers import ids
from resolvers.changes import changes
from resolvers.context import Info, actor_of
from resolvers.ids import Kind
from schema.inputs import DeleteContactInput, ImportContactsInput, SaveContactInput


async def contacts(info: Info, window: Window[UUID], search: str | None = None) -> Page[Contact]:
    """The actor's contacts, newest first."""
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.read_contacts(
        scope, window, search=search_of(search)
    )


async def save_contact(info: Info, input: SaveContactInput) -> Contact:
    """The contact as it is from now on."""
    return await keeping.save_contact(
        info.context.installation,
        actor_of(info),
        input.number,
        opted_out=input.opted_out,
        **changes(input, "name", "business"),
    )


async def delete_contact(info: Info, input: DeleteContactInput) -> Contact:
    """The contact as it was."""
    actor = actor_of(info)
    message_scope(actor)
    contact_id = ids.decode(Kind.CONTACT, input.id)
    return await keeping.delete_contact(info.context.installation, actor, contact_id)


async def import_contacts(info: Info, input: ImportContactsInput) -> ContactsImported:
    """What became of the rows of a file."""
    actor, installation = actor_of(info), info.context.installation
    upload_id = ids.find(Kind.UPLOAD, input.upload_id)
    return await importing.import_contacts(installation, actor, upload_id, column=input.column)
