"""Contacts, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.reading import contacts as domain_contacts
from resolvers import contacts
from resolvers.ids import Kind
from schema.binding import stands_for
from schema.connections import connection_field
from schema.ids import id_of
from schema.scalars import PhoneNumber


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
class ContactQuery:
    contacts = connection_field(contacts.contacts, Contact)
