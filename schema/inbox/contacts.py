"""Contacts, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.ids import Kind
from domain.inbox import contact_columns as domain_columns
from domain.inbox import contact_import as domain_importing
from domain.inbox import messages as domain_inbox
from resolvers.inbox import contacts
from resolvers.pages import BY_KEY
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field
from schema.nodes import Node
from schema.sending.recipients import RejectedRecipient
from schema.values import PhoneNumber, id_of, represents


@strawberry.type(description="A number that a client has sent to or received from.")
@represents(domain_inbox.Contact)
class Contact(Node):
    id: strawberry.ID = id_of(Kind.CONTACT)
    number: PhoneNumber = described(
        "The number. A short code or a name is shown as the network wrote it."
    )
    answerable: bool = described(
        "False if the sender is a short code or a name: it cannot be sent to."
    )
    name: str | None = described(
        "Entered by a user, or given with an inbound message. Null without one."
    )
    business: str | None = described(
        "Entered by a user, or the client's business name. Null without one."
    )
    opted_out: bool = described("Whether the number opted out: nothing is sent to it.")
    created_at: datetime = described("When the contact was created.")


@strawberry.type(description="The columns of a file that were used to import contacts.")
@represents(domain_columns.UsedColumns)
class ContactFileColumns:
    numbers: list[str] = described("The columns with phone numbers. Each number is a contact.")
    names: list[str] = described("The columns of the name.")
    business: str | None = described("The column of the business. Null if the file has none.")
    left_out: list[str] = described(
        "Columns of phone numbers that were not read, such as fax numbers."
    )
    sheet: str | None = described(
        "The sheet that was read. Null if the file was not a spreadsheet."
    )


@strawberry.type(description="The result of an import.")
@represents(domain_importing.ContactsImported)
class ContactsImported:
    created: int = described("New contacts.")
    updated: int = described("Contacts that were changed.")
    rejected: list[RejectedRecipient] = described(
        "Numbers that were not imported, with line and reason; the first 1,000."
    )
    columns: ContactFileColumns = described("The columns that were used.")


@strawberry.type
class ContactQuery:
    contacts = connection_field(
        contacts.contacts,
        Contact,
        cursors=BY_KEY,
        description="The client's contacts, newest first unless orderBy says otherwise.",
    )


@strawberry.type
class ContactMutation:
    save_contact = mutation_field(
        contacts.save_contact,
        Contact,
        refusals=(errors.InvalidPhoneNumber,),
        description="Creates the contact of a number or changes it.",
    )
    delete_contact = mutation_field(
        contacts.delete_contact,
        Contact,
        refusals=(errors.NotFound,),
        description="Deletes a contact. Its messages and its opt-out stay.",
    )
    import_contacts = mutation_field(
        contacts.import_contacts,
        ContactsImported,
        refusals=(errors.InvalidFile,),
        description="Creates and changes contacts from an uploaded file.",
    )
