"""The people that a client writes with: a number, and the names that it goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Contact:
    """A number that a client has sent to or heard from. `opted_out`: it asked to be left alone."""

    id: UUID
    client_id: UUID
    number: str
    name: str | None
    business: str | None
    opted_out: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ContactCard:
    """What somebody writes down of a number (E.164)."""

    number: str
    name: str | None
    business: str | None
