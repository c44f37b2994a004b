"""What is needed of the store about files and contacts: `persistence.uploads` and `.contacts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.access import OfClient, Scope
from domain.ports.inbox import Arrivals, OptOuts
from domain.ports.ledger import Transaction
from domain.reading.contacts import Contact, ContactCard
from domain.uploads.upload import Upload


class Uploads(Protocol):
    """Files, in parts."""

    async def uploads_size(self, tx: Transaction, client_id: UUID) -> int:
        """Bytes of a client's files that are kept; two who ask at once see the same."""
        ...

    async def write_upload(self, tx: Transaction, upload: Upload) -> None:
        """Keeps a file, without its bytes."""
        ...

    async def write_upload_part(
        self, tx: Transaction, upload_id: UUID, position: int, part: bytes
    ) -> None:
        """Keeps some of its bytes. Positions count from 0."""
        ...

    async def find_upload(self, scope: OfClient, upload_id: UUID) -> Upload:
        """A file that is not a day old. Raises NotFound."""
        ...

    async def read_upload_part(
        self, scope: OfClient, upload_id: UUID, position: int
    ) -> bytes | None:
        """Some of its bytes, None where they are gone."""
        ...

    async def purge_uploads(self, *, age_seconds: float, most: int) -> int:
        """Files of that age are gone, at most so many. Returns how many."""
        ...


class Contacts(Arrivals, OptOuts, Protocol):
    """Contacts, as people change them. Locks: the client's feed, then contacts by number."""

    async def save_contacts(
        self,
        tx: Transaction,
        scope: OfClient,
        cards: Sequence[ContactCard],
        *,
        clear_name: bool = False,
        clear_business: bool = False,
    ) -> tuple[int, int]:
        """Makes contacts, and changes those that are there and differ: how many of each.

        One card a number, in order of number. What a card lacks is left as it is, or cleared.
        """
        ...

    async def note_contacts(self, tx: Transaction, client_id: UUID, numbers: Sequence[str]) -> None:
        """Whoever watches the client's conversations with these numbers is told of a change."""
        ...

    async def find_contact_of(self, tx: Transaction, scope: OfClient, number: str) -> Contact:
        """The contact with that number, which is there."""
        ...

    async def drop_contact(self, tx: Transaction, scope: Scope, contact_id: UUID) -> Contact:
        """Deletes a contact, and returns it as it was. Its opt-out stays. Raises NotFound."""
        ...
