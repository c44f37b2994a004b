"""Contacts, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.inbox import contact as domain_contacts
from domain.inbox import contact_columns as domain_columns
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


@strawberry.type(description="The columns of a file that were used to import contacts.")
@stands_for(domain_columns.UsedColumns)
class ContactFileColumns:
    numbers: list[str] = strawberry.field(
        description="The columns with phone numbers. Each number is a contact."
    )
    names: list[str] = strawberry.field(description="The columns of the name.")
    business: str | None = strawberry.field(description="The column of the business.")
    left_out: list[str] = strawberry.field(
        description="Columns of phone numbers that were not read, such as fax numbers."
    )
    sheet: str | None = strawberry.field(
        description="The sheet that was read, if the file was a spreadsheet."
    )


@strawberry.type(description="The result of an import.")
@stands_for(domain_importing.ContactsImported)
class ContactsImported:
    created: int = strawberry.field(description="New contacts.")
    updated: int = strawberry.field(description="Contacts that were changed.")
    rejected: list[RejectedRecipient] = strawberry.field(
        description="Numbers that were not imported, with line and reason; the first 1,000."
    )
    columns: ContactFileColumns = strawberry.field(description="The columns that were used.")


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
