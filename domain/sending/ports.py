"""What the sending area needs from the outside: persistence, and the program around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.identity.access import OfClient, Scope
from domain.ledger.book import Book
from domain.ledger.ports import Keys, Ledger
from domain.pages import Page, Window
from domain.sending.files.upload import Upload
from domain.sending.sends import Message, MessageStatus, NewSend, Send
from domain.transactions import Transaction


class SendArchive(Protocol):
    """Sends and messages."""

    async def find_send(self, scope: Scope, send_id: UUID) -> Send:
        """A send within the scope, with its counts. Raises NotFound."""
        ...

    async def read_sends(self, scope: Scope, window: Window[UUID]) -> Page[Send]:
        """The sends of a scope, with their counts."""
        ...

    async def find_message(self, scope: Scope, message_id: UUID) -> Message:
        """A message within the scope. Raises NotFound."""
        ...

    async def read_messages(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        status: MessageStatus | None = None,
        search: str | None = None,
    ) -> Page[Message]:
        """The messages of a scope; `search`: a part of the number or of the text."""
        ...

    async def read_messages_of_sends(
        self,
        scope: Scope,
        send_ids: Sequence[UUID],
        window: Window[UUID],
        *,
        status: MessageStatus | None = None,
    ) -> dict[UUID, Page[Message]]:
        """The same window on the messages of each send; empty for those outside the scope."""
        ...


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


class Sends(Protocol):
    """Sends and their messages, as the accept path writes them."""

    async def lock_payers(
        self, tx: Transaction, ids: Sequence[UUID], singles: Sequence[NewSend]
    ) -> tuple[Book, set[UUID]]:
        """The nodes, FOR UPDATE in id order, and the ids of singles to a number that opted out."""
        ...

    async def write_accepted(self, tx: Transaction, book: Book, sends: Sequence[NewSend]) -> None:
        """Writes a book, and the sends it charges with their messages, QUEUED, in one statement.

        Meant for small ones.
        """
        ...

    async def copy_messages(self, tx: Transaction, send: NewSend) -> None:
        """Writes one send and its messages by COPY: meant for a large one."""
        ...

    async def find_sends(self, tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
        """Those of the ids that are committed sends."""
        ...

    async def held(self, account_id: UUID) -> int:
        """What a node holds at this moment, unlocked: good for refusing early, no more."""
        ...


class AcceptStore(Ledger, Keys, Sends, Protocol):
    """All that accepting a send needs."""
