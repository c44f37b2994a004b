"""Contacts, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.inbox import contact as domain_contacts
from domain.inbox import contact_import as domain_importing
from resolvers.ids import Kind
from resolvers.inbox import contacts
from schema import errors
from schema.binding import stands_for
from schema.connections import connection_field
from schema.ids import id_of
from schema.scalars import PhoneNumber
from schema.sending.recipients import RejectedRecipient


@strawberry.type
@stands_for(domain_contacts.Contact)
class Contact:
    id: strawberry.ID = id_of(Kind.CONTACT)
    number: PhoneNumber
    name: str | None
    business: str | None
    opted_out: bool
    created_at: datetime


@strawberry.type
@stands_for(domain_importing.ContactsImported)
class ContactsImported:
    created: int
    updated: int
    rejected: list[RejectedRecipient] = strawberry.field(
        description="Rows that make no contact, with the reason; the first 1,000."
    )


SaveContactResult = Annotated[
    Contact | errors.InvalidPhoneNumber, strawberry.union("SaveContactResult")
]
DeleteContactResult = Annotated[Contact | errors.NotFound, strawberry.union("DeleteContactResult")]
ImportContactsResult = Annotated[
    ContactsImported | errors.InvalidFile, strawberry.union("ImportContactsResult")
]


@strawberry.type
class ContactQuery:
    contacts = connection_field(contacts.contacts, Contact)


@strawberry.type
class ContactMutation:
    save_contact = strawberry.field(resolver=contacts.save_contact, graphql_type=SaveContactResult)
    delete_contact = strawberry.field(
        resolver=contacts.delete_contact, graphql_type=DeleteContactResult
    )
    import_contacts = strawberry.field(
        resolver=contacts.import_contacts, graphql_type=ImportContactsResult
    )
