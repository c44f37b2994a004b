"""Contacts: lists and changes."""

from __future__ import annotations

from typing import Annotated

from strawberry import argument

from domain import ids
from domain.identity.access import Role, message_scope
from domain.ids import Kind
from domain.inbox import contact_import as importing
from domain.inbox import contacts as keeping
from domain.inbox.contact_import import ContactsImported
from domain.inbox.messages import Contact, ContactKey, ContactOrder
from domain.pages import Page, Window, search_of
from resolvers.context import Info, actor_of, requires, updated_fields
from schema.inbox.inputs import (
    ContactFilter,
    DeleteContactInput,
    ImportContactsInput,
    SaveContactInput,
)


@requires(account=True)
async def contacts(
    info: Info,
    window: Window[ContactKey],
    search: Annotated[
        str | None,
        argument(
            description="Only contacts with this text in their number, name or business, ignoring"
            " case and accents. For an admin, a search looks through the 100,000 contacts that were"
            " added last, and finds a whole number, such as +12025550143, among all."
        ),
    ] = None,
    filter: Annotated[ContactFilter | None, argument(description="Which contacts to list.")] = None,
    order_by: Annotated[
        ContactOrder | None, argument(description="The order of the list. Default: NEWEST.")
    ] = None,
) -> Page[Contact]:
    """The client's contacts."""
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.read_contacts(
        scope,
        window,
        search=search_of(search),
        opted_out=filter.opted_out if filter else None,
        order=order_by or ContactOrder.NEWEST,
    )


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def save_contact(info: Info, input: SaveContactInput) -> Contact:
    """Creates or changes a contact."""
    return await keeping.save_contact(
        info.context.installation,
        actor_of(info),
        input.number,
        opted_out=input.opted_out,
        **updated_fields(input, "name", "business"),
    )


@requires(account=True)
async def delete_contact(info: Info, input: DeleteContactInput) -> Contact:
    """Deletes a contact and returns it."""
    actor = actor_of(info)
    message_scope(actor)
    contact_id = ids.decode(Kind.CONTACT, input.id)
    return await keeping.delete_contact(info.context.installation, actor, contact_id)


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def import_contacts(info: Info, input: ImportContactsInput) -> ContactsImported:
    """Creates and changes contacts from a file."""
    actor, installation = actor_of(info), info.context.installation
    upload_id = ids.find(Kind.UPLOAD, input.upload_id)
    return await importing.import_contacts(installation, actor, upload_id, column=input.column)
