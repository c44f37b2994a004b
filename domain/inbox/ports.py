"""What the inbox area needs from the outside: persistence, and the program around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.dispatch.ports import Upstreams
from domain.dispatch.settlement import Refund
from domain.identity.access import Everything, OfClient, Scope
from domain.inbox.arrivals import Arrival, OptOut
from domain.inbox.contact import Contact, ContactCard
from domain.inbox.conversations import AnyMessage, Conversation, InboundMessage, ModemRoute
from domain.inbox.routing import Signposts
from domain.inbox.webhooks import (
    DueEvent,
    NewEvent,
    ReportCall,
    Ruling,
    WebhookEvent,
    WebhookOutcome,
    WebhookStatus,
)
from domain.ledger.ports import Ledger
from domain.pages import Page, Window
from domain.sending.sends import Line, MessageStatus
from domain.transactions import Transaction

Correspondence = tuple[UUID, str]
"""A client and a number that it writes with."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A message that reports tell of, under lock."""

    provider: str
    reference: str
    number: str
    message_id: UUID
    send_id: UUID
    client_id: UUID
    status: MessageStatus


@dataclass(frozen=True, slots=True)
class CalledBack:
    """What of one send is called back, and what is given back for it."""

    provider_account_id: UUID
    refund: Refund


class Events(Protocol):
    """Events as providers bring them: stored first, received later."""

    async def store_events(self, events: Sequence[NewEvent]) -> list[WebhookOutcome]:
        """One outcome an event, same order: UNROUTED (it waits), DUPLICATE or INVALID. Durable.

        Raises Disconnected where the database is away: nothing is stored, or all of it.
        """
        ...

    async def count_refusals(self, refusals: Mapping[tuple[str, str], int]) -> None:
        """Adds refusals by provider and reason to those of this minute."""
        ...


class Received(Ledger, Protocol):
    """Events that wait to be received."""

    async def take_due_events(
        self, tx: Transaction, most: int, *, only: Sequence[UUID] | None = None
    ) -> list[DueEvent]:
        """Events that are due, FOR UPDATE, in order of their ids; others' are skipped.

        `only`: those of these that are due still.
        """
        ...

    async def write_rulings(self, tx: Transaction, rulings: Sequence[Ruling]) -> None:
        """Writes what became of events."""
        ...

    async def put_off_event(self, event_id: UUID, reason: str, *, due_in_seconds: float) -> None:
        """The event waits a while longer; the reason is shown meanwhile."""
        ...


class Routes(Protocol):
    """What points to clients."""

    async def read_signposts(
        self,
        tx: Transaction,
        *,
        senders: Collection[str],
        receivers: Collection[str],
        lines: Collection[Line],
    ) -> Signposts:
        """What points to clients for these numbers (E.164) and lines."""
        ...

    async def captured_until(self, tx: Transaction) -> datetime | None:
        """Everything that was sent before that moment is known by number; None: everything is."""
        ...


class Arrivals(Protocol):
    """Inbound messages, as they are written down."""

    async def take_feed_numbers(
        self, tx: Transaction, counts: Mapping[UUID, int]
    ) -> dict[UUID, int]:
        """The first of so many new numbers of each client's feed, which stays locked."""
        ...

    async def write_arrivals(
        self, tx: Transaction, arrivals: Sequence[tuple[Arrival, int]]
    ) -> None:
        """Writes messages, each with its number in the feed, and all that grows from them:
        contacts, conversations with what is unread, and the lines that clients are seen on."""
        ...


class OptOuts(Upstreams, Protocol):
    """Numbers that clients may not write to."""

    async def share_feeds(self, tx: Transaction, client_ids: Collection[UUID]) -> None:
        """Holds the clients' feeds, FOR SHARE in id order: nobody opts out of them meanwhile."""
        ...

    async def opted_out_among(
        self, tx: Transaction, send_ids: Sequence[UUID]
    ) -> list[Correspondence]:
        """Whom these sends have QUEUED messages to that may not be written to."""
        ...

    async def write_opt_outs(self, tx: Transaction, opt_outs: Sequence[OptOut]) -> None:
        """From now on they may not. One that is there stays as it is."""
        ...

    async def drop_opt_outs(self, tx: Transaction, pairs: Sequence[Correspondence]) -> None:
        """They may again."""
        ...

    async def upstreams_queued_to(
        self, tx: Transaction, pairs: Sequence[Correspondence]
    ) -> list[UUID]:
        """Provider accounts by which something captured is to reach them; nothing is locked."""
        ...

    async def call_back_queued_to(
        self,
        tx: Transaction,
        provider_account_ids: Sequence[UUID],
        pairs: Sequence[Correspondence],
        *,
        failure: str,
    ) -> list[CalledBack]:
        """What of it is QUEUED is CANCELLED, locked in id order: one a send, with its refund."""
        ...


class Reports(Protocol):
    """Messages that delivery reports tell of."""

    async def lock_reported(
        self, tx: Transaction, reports: Sequence[tuple[str, ReportCall]]
    ) -> list[Reported]:
        """Messages FOR UPDATE, in id order, that the provider named by these references."""
        ...

    async def write_reported(
        self, tx: Transaction, found: Sequence[tuple[Reported, MessageStatus, str | None]]
    ) -> None:
        """Writes the status, and why where it was not delivered, of messages under lock."""
        ...


class Inboxes(Received, Routes, Arrivals, OptOuts, Reports, Protocol):
    """All that receiving needs."""


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """A stored event under lock, and what became of it so far."""

    event: DueEvent
    outcome: WebhookOutcome
    client_id: UUID | None


@dataclass(frozen=True, slots=True)
class ReplyTerms:
    """What a client's reply would need, besides its words, as it stands now.

    `paused`: the provider refuses the account at the moment.
    """

    status: str
    account_id: UUID
    provider_account_id: UUID
    held: int
    price: int
    unit: str
    paused: bool


class Inbox(Protocol):
    """Conversations and what stands in them."""

    async def read_conversations(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        unread_only: bool = False,
        search: str | None = None,
    ) -> Page[Conversation]:
        """The conversations of a scope by their last message; `search`: a part of the number or
        of the contact's names."""
        ...

    async def find_conversation(self, scope: Scope, conversation_id: UUID) -> Conversation:
        """A conversation within the scope. Raises NotFound."""
        ...

    async def find_conversations_with(
        self, scope: Scope, pairs: Sequence[Correspondence]
    ) -> Mapping[Correspondence, Conversation]:
        """The conversations of clients with numbers, where there are any."""
        ...

    async def read_messages_of_conversations(
        self, scope: Scope, pairs: Sequence[Correspondence], window: Window[UUID]
    ) -> Mapping[Correspondence, Page[AnyMessage]]:
        """The same window on each conversation's messages, both directions in one order."""
        ...

    async def find_messages(self, scope: Scope, ids: Collection[UUID]) -> Mapping[UUID, AnyMessage]:
        """Messages of either direction by id."""
        ...

    async def find_inbound(self, scope: Scope, inbound_id: UUID) -> InboundMessage:
        """An inbound message within the scope. Raises NotFound."""
        ...

    async def read_any_messages(
        self, scope: Scope, window: Window[UUID], *, search: str | None = None
    ) -> Page[AnyMessage]:
        """The messages of a scope in both directions; `search`: a part of number or text."""
        ...

    async def read_feed(
        self, scope: OfClient, *, after: int, most: int
    ) -> Sequence[InboundMessage]:
        """What a client has received behind that number of its feed, in its order, gapless."""
        ...

    async def last_in_feed(self, scope: OfClient) -> int:
        """The last number of a client's feed, 0 where nothing was received."""
        ...

    async def find_contacts_with(
        self, scope: Scope, pairs: Sequence[Correspondence]
    ) -> Mapping[Correspondence, Contact]:
        """Contacts by client and number."""
        ...

    async def mark_read(self, scope: Scope, conversation_id: UUID) -> Conversation:
        """Nothing in it is unread. Raises NotFound."""
        ...

    async def find_opted_out(self, client_id: UUID, numbers: Sequence[str]) -> set[str]:
        """Those of the numbers (E.164) that the client may not write to."""
        ...

    async def route_of(self, client_id: UUID) -> ModemRoute | None:
        """The client's line: set by hand, else learned and its alone, the last seen first."""
        ...

    async def find_reply_terms(self, client_id: UUID) -> ReplyTerms:
        """What a reply of the client's would need. Raises NotFound."""
        ...

    async def find_warning(self, scope: OfClient, send_id: UUID) -> str | None:
        """What the sender of a reply was told of its line; None where there was nothing to tell."""
        ...

    async def find_last_inbound(self, client_id: UUID) -> InboundMessage | None:
        """What the client received last."""
        ...


class Switchboard(Protocol):
    """Events and routes, as the operator sees and sets them."""

    async def read_webhook_events(
        self, scope: Everything, window: Window[UUID], *, outcome: WebhookOutcome | None = None
    ) -> Page[WebhookEvent]:
        """Events, with what they said."""
        ...

    async def find_webhook_event(self, scope: Everything, event_id: UUID) -> WebhookEvent:
        """One event. Raises NotFound."""
        ...

    async def read_webhook_status(self, scope: Everything) -> WebhookStatus:
        """Whether events still arrive, and what became of them lately."""
        ...

    async def read_modem_routes(self, scope: Everything) -> Sequence[ModemRoute]:
        """Those set by hand, then the learned ones that were seen last: at most 1,000."""
        ...

    async def write_modem_route(
        self, tx: Transaction, client_id: UUID, line: Line, numbers: Sequence[str] | None
    ) -> ModemRoute:
        """The line is the client's, set by hand; its numbers are these, or stay (None).

        Raises InvalidInput where the line or a number is another client's. People are locked.
        """
        ...

    async def drop_modem_route(self, tx: Transaction, route_id: UUID) -> ModemRoute:
        """The route is gone, with the numbers that came with it. Raises NotFound."""
        ...

    async def hold_event(self, tx: Transaction, event_id: UUID) -> HeldEvent:
        """An event FOR UPDATE. Raises NotFound."""
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


class ContactArchive(Protocol):
    """Contacts, as they are looked up."""

    async def read_contacts(
        self, scope: Scope, window: Window[UUID], *, search: str | None = None
    ) -> Page[Contact]:
        """The contacts of a scope; `search`: a part of the number or of a name."""
        ...
