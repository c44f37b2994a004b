"""What sending needs from persistence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identity.access import Everything, OfClient, Scope
from domain.identity.directory import TextKey
from domain.ledger.book import Book
from domain.ledger.credentials import ClientPoolStore
from domain.ledger.idempotency import Answer, IdempotencyKeys
from domain.ledger.ports import Ledger
from domain.pages import Page, Window
from domain.sending.files.row_texts import Template
from domain.sending.files.table import KEPT_SECONDS, Upload
from domain.sending.lists import (
    ALL_MESSAGES,
    ALL_SENDS,
    MessageFilter,
    Period,
    SendFilter,
    SendOrder,
    StatRow,
)
from domain.sending.messages import AcceptedMessage, Line, Message, MessageStatus, NewSend, Send
from domain.sending.recipients import ProviderRoute
from domain.transactions import Transaction, Transactional


class SendArchive(Protocol):
    """Stored sends and their messages."""

    async def find_send(
        self, scope: Scope, send_id: UUID, *, tx: Transaction | None = None
    ) -> Send:
        """A send within the scope, with its counts. Raises NotFound."""

    async def find_sends_by_id(self, scope: Scope, send_ids: Sequence[UUID]) -> dict[UUID, Send]:
        """Those of the sends that are within the scope, with their counts."""

    async def read_sends(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        filter: SendFilter = ALL_SENDS,
        order: SendOrder = SendOrder.NEWEST,
    ) -> Page[Send]:
        """The sends of a scope, with their counts."""

    async def find_message(
        self, scope: Scope, message_id: UUID, *, tx: Transaction | None = None
    ) -> Message:
        """A message within the scope. Raises NotFound."""

    async def read_messages(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        filter: MessageFilter = ALL_MESSAGES,
        search: str | None = None,
    ) -> Page[Message]:
        """The outbound messages of a scope, newest first.

        `search`: a part of the number or of the text, taken literally, ignoring case.
        """

    async def read_messages_of_sends(
        self,
        scope: Scope,
        send_ids: Sequence[UUID],
        window: Window[UUID],
        *,
        status: MessageStatus | None = None,
    ) -> dict[UUID, Page[Message]]:
        """The same window on the messages of each send, newest first; empty outside the scope."""

    async def read_accepted(self, scope: OfClient, send_id: UUID) -> Sequence[AcceptedMessage]:
        """All messages of a send, in the order of its accepted recipients."""

    async def lines_of_numbers(self, scope: OfClient) -> Mapping[str, Line]:
        """The client's own numbers that belong to a line, each with its line."""

    async def read_submitted_at(
        self, scope: OfClient, ids: Sequence[UUID]
    ) -> Mapping[UUID, datetime]:
        """When each of the messages was submitted; only those that a provider has accepted."""

    async def read_message_stats(
        self,
        scope: Scope,
        by: Period,
        starts_at: datetime,
        ends_at: datetime,
        *,
        client_id: UUID | None = None,
    ) -> Sequence[StatRow]:
        """Outbound messages that were created from one time to another, by period and status."""


class Templates(Transactional, Protocol):
    """Saved texts of clients."""

    async def read_templates(
        self, scope: Scope, window: Window[TextKey], *, search: str | None = None
    ) -> Page[Template]:
        """The templates of a scope, by name. `search`: a part of the name, ignoring case."""

    async def find_templates(self, scope: OfClient, names: Sequence[str]) -> dict[str, Template]:
        """Those of the names that the client has a template of, ignoring case."""

    async def save_template(self, tx: Transaction, template: Template) -> tuple[Template, int]:
        """Adds a template, or changes the text of the client's one with this name, ignoring case.

        Returns it as it is then, and how many templates the client has. Locks the client until the
        transaction ends.
        """

    async def delete_template(self, tx: Transaction, scope: Scope, template_id: UUID) -> Template:
        """Deletes a template within the scope. Raises NotFound."""


class ProviderRoutes(ClientPoolStore, Protocol):
    """Routes by country prefix. Changes lock the identities first, so that they do not overlap."""

    async def read_provider_routes(self, scope: Everything) -> Sequence[ProviderRoute]:
        """The routes that are in use, by pool and prefix."""

    async def retire_route(
        self, tx: Transaction, *, route_id: UUID | None = None, of: tuple[UUID, str] | None = None
    ) -> ProviderRoute | None:
        """Retires the route with this ID, or that of a pool and prefix. None if there is none."""

    async def add_route(self, tx: Transaction, route: ProviderRoute) -> None:
        """Adds a route."""


class Uploads(Protocol):
    """Uploaded files, stored in parts."""

    async def uploads_size(self, tx: Transaction, client_id: UUID) -> int:
        """The bytes of a client's uploads. Locks the client until the transaction ends."""

    async def write_upload(self, tx: Transaction, upload: Upload) -> None:
        """Writes an upload without its bytes."""

    async def write_upload_part(
        self, tx: Transaction, upload_id: UUID, position: int, part: bytes
    ) -> None:
        """Writes a part of its bytes. Positions count from 0."""

    async def find_upload(
        self, scope: OfClient, upload_id: UUID, *, kept_seconds: float | None = KEPT_SECONDS
    ) -> Upload:
        """An upload that is not older than this many seconds; None: of any age. Raises NotFound."""

    async def read_upload_part(
        self, scope: OfClient, upload_id: UUID, position: int
    ) -> bytes | None:
        """A part of its bytes; None if it has been deleted."""

    async def purge_uploads(self, *, age_seconds: float, most: int) -> int:
        """Deletes at most `most` uploads of that age. Returns how many it deleted.

        Uploads that a job still reads are kept.
        """


class UnwrittenMessages(Protocol):
    """Messages of jobs that are charged and not written yet."""

    async def lock_unwritten(self, tx: Transaction, send_id: UUID) -> int:
        """How many messages the job of a send has not written. Locks the job, if there is one.

        Call it before anything else is locked.
        """

    async def cancel_unwritten(self, tx: Transaction, send_id: UUID) -> None:
        """Ends the job of a send. Its messages that are not written count as CANCELLED."""


@dataclass(frozen=True, slots=True)
class AcceptedSends:
    """The results of the sends of a batch.

    `book`: the locked accounts after that, by which the others can be decided. `created_at`: of the
    accepted ones, by send ID. `opted_out`: IDs of sends whose one number has opted out. `stored`:
    the hash of the input and the answer that a key had before, by key ID.
    """

    book: Book
    created_at: dict[UUID, datetime] = field(default_factory=dict)
    opted_out: set[UUID] = field(default_factory=set)
    stored: dict[UUID, tuple[bytes, Answer]] = field(default_factory=dict)


class AcceptStore(Ledger, IdempotencyKeys, Protocol):
    """What accepting needs: sends and their messages are written once and found by ID."""

    async def find_opted_out(
        self, client_id: UUID, numbers: Sequence[str], *, tx: Transaction | None = None
    ) -> set[str]:
        """Those of the numbers that the client may not send to."""

    async def accept_sends(
        self,
        tx: Transaction,
        sends: Sequence[NewSend],
        *,
        wait_seconds: float,
        skip_locked: bool = False,
    ) -> AcceptedSends:
        """Locks the accounts like `lock_accounts`, and accepts the sends that need no decision.

        They are charged, and written with their messages, QUEUED, and with the answers of their
        keys. Either all sends of an account are accepted or none. None are if the account cannot
        pay for all of them, if the number of one has opted out, or if the key of one was used
        before. One statement, for small sends. Raises KeysTaken if another transaction has stored a
        key meanwhile.
        """

    async def copy_messages(self, tx: Transaction, send: NewSend) -> datetime:
        """Writes one send and its messages by COPY, for a large one. Returns its `created_at`.

        If it has `rows`, writes a job instead of messages. Raises NotFound if their upload has been
        deleted.
        """

    async def enqueue_callback(
        self,
        tx: Transaction,
        client_id: UUID,
        message_ids: Sequence[UUID],
        url: str,
        *,
        format: str,
    ) -> None:
        """Posts each status of these messages to the URL from now on, in this format."""

    async def limit_validity(self, tx: Transaction, send_id: UUID, seconds: int) -> None:
        """Lets the messages of a send be submitted for this long after they are due."""

    async def queue_callback_events(self, tx: Transaction, message_ids: Sequence[UUID]) -> None:
        """Posts the present statuses of these messages too."""

    async def find_sends(self, tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, datetime]:
        """Those of the IDs that are committed sends, each with its `created_at`."""

    async def held(self, account_id: UUID, *, tx: Transaction | None = None) -> int:
        """What an account holds at this moment, not locked: it may change before it is charged."""
