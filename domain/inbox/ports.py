"""What the inbox area needs from the outside: persistence, and the program around it.

Order of locks: people (admin operations only), webhook events, feeds by client ID, contacts,
conversations and lines, provider accounts, messages, accounts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.dispatch.messages import LockedMessage
from domain.dispatch.ports import Captures, ProviderAccountLocks, Settlements
from domain.identity.access import Everything, OfClient, Scope
from domain.identity.ports import IdentityStore
from domain.inbox.messages import (
    AnyMessage,
    CancelledSend,
    Contact,
    ContactCard,
    ContactKey,
    ContactOrder,
    Conversation,
    ConversationKey,
    InboundMessage,
    ModemRoute,
    NewInbound,
    OptOut,
    ReplyOrigin,
    ReplyTerms,
)
from domain.inbox.routing import CandidateIndex
from domain.inbox.webhooks import (
    DeliveryReport,
    DueEvent,
    EventKey,
    EventResult,
    LockedEvent,
    NewEvent,
    ReportedChange,
    ReportedMessage,
    WebhookEvent,
    WebhookOutcome,
    WebhookStatus,
)
from domain.pages import Page, Window
from domain.sending.lists import ALL_MESSAGES, MessageFilter
from domain.sending.messages import Line
from domain.transactions import Transaction


class EventStore(Protocol):
    """Stores events as providers send them."""

    async def store_events(self, events: Sequence[NewEvent]) -> list[WebhookOutcome]:
        """One outcome per event, in order: UNROUTED (to be received), DUPLICATE or INVALID.

        Durable when it returns. Raises Disconnected if the database is unavailable; then either all
        events are stored or none, and repeating is safe.
        """

    async def count_refusals(self, refusals: Mapping[tuple[str, str], int]) -> None:
        """Adds refusals by provider and reason to the counts of this minute."""


class OptOuts(ProviderAccountLocks, Protocol):
    """Opt-outs, and the queued messages that they cancel."""

    async def share_feeds(self, tx: Transaction, client_ids: Collection[UUID]) -> None:
        """Locks the clients' feeds FOR SHARE in ID order: nobody can opt out of them meanwhile."""

    async def opted_out_among(
        self, tx: Transaction, send_ids: Sequence[UUID], *, after: UUID, until: UUID | None
    ) -> list[ConversationKey]:
        """Opted-out numbers of QUEUED messages with IDs above `after`, up to `until` or the end."""

    async def write_opt_outs(self, tx: Transaction, opt_outs: Sequence[OptOut]) -> None:
        """Writes opt-outs. An existing one keeps its source unless the new one has precedence."""

    async def drop_opt_outs(
        self, tx: Transaction, keys: Sequence[ConversationKey], *, by_text: bool = False
    ) -> None:
        """Lifts opt-outs. `by_text`: only those that came by text."""

    async def asked_lately(
        self, tx: Transaction, keys: Sequence[ConversationKey], *, seconds: float
    ) -> set[ConversationKey]:
        """Those of the conversations in which the client asked a question in the last seconds."""

    async def upstreams_queued_to(
        self, tx: Transaction, keys: Sequence[ConversationKey]
    ) -> list[UUID]:
        """Provider accounts of messages that are not submitted yet; takes no lock."""

    async def cancel_messages_to(
        self,
        tx: Transaction,
        provider_account_ids: Sequence[UUID],
        keys: Sequence[ConversationKey],
        *,
        failure: str,
    ) -> list[CancelledSend]:
        """Cancels the QUEUED messages to these numbers, locked in ID order: one item per send."""


class Reports(Settlements, Protocol):
    """Messages that reports are about. A reference can be our message ID, in hex."""

    async def provider_accounts_of(self, tx: Transaction, references: Sequence[str]) -> list[UUID]:
        """The provider accounts of these messages, in ID order. Locks nothing."""

    async def lock_reported(
        self, tx: Transaction, reports: Sequence[tuple[str, DeliveryReport]]
    ) -> list[ReportedMessage]:
        """Locks the messages that the reports (provider, report) may be about, in ID order."""

    async def write_reported(self, tx: Transaction, changed: Sequence[ReportedChange]) -> None:
        """Writes the new status of locked messages."""

    async def lock_refused(self, tx: Transaction, ids: Sequence[UUID]) -> list[LockedMessage]:
        """Those of these messages that are UNDELIVERED, locked in ID order."""


class ReceivingStore(OptOuts, Reports, Captures, Protocol):
    """Everything that receiving events needs."""

    async def take_due_events(
        self, tx: Transaction, most: int, *, only: Sequence[UUID] | None = None
    ) -> list[DueEvent]:
        """Due events, or those of `only`, FOR UPDATE in ID order. Skips locked ones."""

    async def write_results(self, tx: Transaction, results: Sequence[EventResult]) -> None:
        """Writes the results of locked events."""

    async def first_accounts(self, tx: Transaction) -> Mapping[str, Sequence[UUID]]:
        """The first two accounts at each provider, also those of clients; the oldest first."""

    async def put_off_event(self, event_id: UUID, reason: str, *, due_in_seconds: float) -> None:
        """Postpones an event that could not be received. Shows the reason meanwhile."""

    async def read_candidates(
        self,
        tx: Transaction,
        *,
        senders: Collection[str],
        receivers: Collection[str],
        lines: Collection[Line],
    ) -> CandidateIndex:
        """The clients that messages with these numbers (E.164) and lines may belong to."""

    async def find_correspondents(
        self, tx: Transaction, numbers: Collection[str]
    ) -> set[ConversationKey]:
        """Clients that ever sent to one of the numbers or have a conversation with it."""

    async def captured_until(self, tx: Transaction) -> datetime | None:
        """Every send accepted before this time has been captured. None: all sends have been."""

    async def take_feed_numbers(
        self, tx: Transaction, counts: Mapping[UUID, int]
    ) -> dict[UUID, int]:
        """The first reserved number per client. Locks the feeds, also for a count of 0."""

    async def write_inbound(
        self, tx: Transaction, messages: Sequence[tuple[NewInbound, int]]
    ) -> None:
        """Writes messages with their feed numbers, and their contacts, conversations and lines."""


class InboxReads(Protocol):
    """Reads of conversations, messages and contacts, each within a scope."""

    async def read_conversations(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        unread_only: bool = False,
        search: str | None = None,
    ) -> Page[Conversation]:
        """Conversations by last message, newest first. `search`: part of the number or a name."""

    async def find_conversation(self, scope: Scope, conversation_id: UUID) -> Conversation:
        """A conversation. Raises NotFound."""

    async def find_conversations_with(
        self, scope: Scope, keys: Sequence[ConversationKey]
    ) -> Mapping[ConversationKey, Conversation]:
        """Those of the conversations that exist."""

    async def read_messages_of_conversations(
        self, scope: Scope, keys: Sequence[ConversationKey], window: Window[UUID]
    ) -> Mapping[ConversationKey, Page[AnyMessage]]:
        """The same window of each conversation's messages, both directions in one order."""

    async def find_messages(
        self, scope: Scope, ids: Collection[UUID], *, tx: Transaction | None = None
    ) -> Mapping[UUID, AnyMessage]:
        """Those of the messages that are within the scope, by ID."""

    async def find_inbound(self, scope: Scope, inbound_id: UUID) -> InboundMessage:
        """An inbound message, also one that its client has deleted. Raises NotFound."""

    async def read_any_messages(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        filter: MessageFilter = ALL_MESSAGES,
        search: str | None = None,
    ) -> Page[AnyMessage]:
        """Messages of both directions, newest first. `search`: part of the number or the text."""

    async def read_feed(
        self, scope: OfClient, *, after: int, most: int
    ) -> Sequence[InboundMessage]:
        """Messages of a client's feed after that number, in order, without gaps."""

    async def feed_number(self, scope: OfClient, inbound_id: UUID) -> int:
        """The number of a message in its client's feed, also if it was deleted or erased.

        Retention keeps no numbers: 0 if the message may be one of those that it dropped. Raises
        NotFound.
        """

    async def last_in_feed(self, scope: OfClient) -> int:
        """The last number of a client's feed, 0 if nothing was received."""

    async def mark_read(self, scope: Scope, conversation_id: UUID) -> Conversation:
        """Sets the unread count to 0. Raises NotFound."""

    async def read_contacts(
        self,
        scope: Scope,
        window: Window[ContactKey],
        *,
        search: str | None = None,
        opted_out: bool | None = None,
        order: ContactOrder = ContactOrder.NEWEST,
    ) -> Page[Contact]:
        """Contacts. `search`: part of the number or a name. `opted_out`: only such, or others."""

    async def find_contact(self, scope: Scope, contact_id: UUID) -> Contact:
        """A contact. Raises NotFound."""

    async def has_contact(self, client_id: UUID, number: str) -> bool:
        """Whether the client has a contact with this number, short code or name."""

    async def route_of(self, client_id: UUID) -> ModemRoute | None:
        """The client's line: assigned by hand, else learned, by this client only; the last seen."""

    async def find_reply_origin(
        self, scope: OfClient, inbound_id: UUID, provider_account_id: UUID
    ) -> ReplyOrigin | None:
        """The source of a message, for a client of this account. None if it is not stored."""

    async def find_reply_terms(self, client_id: UUID) -> ReplyTerms:
        """The terms of a client. Raises NotFound."""

    async def find_warning(self, scope: OfClient, send_id: UUID) -> str | None:
        """The warning that is stored with a reply."""

    async def find_last_inbound(self, client_id: UUID) -> InboundMessage | None:
        """The last message that the client has received."""


class RoutingAdmin(IdentityStore, Protocol):
    """Events and routes, as the operator reads and sets them."""

    async def read_webhook_events(
        self, scope: Everything, window: Window[EventKey], *, outcome: WebhookOutcome | None = None
    ) -> Page[WebhookEvent]:
        """Events, newest first. If only UNROUTED ones are requested, pending opt-outs first."""

    async def find_webhook_event(
        self, scope: Everything, event_id: UUID, *, tx: Transaction | None = None
    ) -> WebhookEvent:
        """An event. Raises NotFound."""

    async def read_webhook_status(self, scope: Everything) -> WebhookStatus:
        """Whether events still arrive, and their latest results."""

    async def read_modem_routes(self, scope: Everything) -> Sequence[ModemRoute]:
        """Routes set by hand, then learned ones, last seen first: at most 1,000."""

    async def write_modem_route(
        self, tx: Transaction, client_id: UUID, line: Line, numbers: Sequence[str] | None
    ) -> ModemRoute:
        """Assigns the line to the client. `numbers`: replaces its numbers, None keeps them.

        Raises InvalidInput if the line or a number belongs to another client. Needs the people
        lock.
        """

    async def drop_modem_route(self, tx: Transaction, route_id: UUID) -> ModemRoute:
        """Deletes a route with its numbers, and returns it. Raises NotFound."""

    async def lock_event(self, tx: Transaction, event_id: UUID) -> LockedEvent:
        """An event FOR UPDATE. Raises NotFound."""


class AssigningStore(RoutingAdmin, ReceivingStore, Protocol):
    """Everything that assigning an inbound message by hand needs."""

    async def end_pending(
        self, tx: Transaction, event: LockedEvent, numbers: Sequence[str], *, opt_out: bool
    ) -> None:
        """Ends the block that a pending opt-out put on these numbers.

        The numbers opt out for all blocked clients if `opt_out`. Otherwise the block is lifted,
        unless another pending opt-out of the same sender remains. Needs the people lock.
        """


class ContactWrites(ReceivingStore, Protocol):
    """Changes of contacts by users. Locks the client's feed, then contacts by number."""

    async def save_contacts(
        self,
        tx: Transaction,
        scope: OfClient,
        cards: Sequence[ContactCard],
        *,
        clear_name: bool = False,
        clear_business: bool = False,
    ) -> tuple[int, int]:
        """Creates contacts and updates those that differ: how many of each.

        `cards`: one per number, in order of number. A value that a card lacks is kept, or cleared.
        """

    async def touch_conversations(
        self, tx: Transaction, client_id: UUID, numbers: Sequence[str]
    ) -> None:
        """Marks the client's conversations with these numbers as changed, for subscribers."""

    async def find_contact_of(self, tx: Transaction, scope: OfClient, number: str) -> Contact:
        """The contact with that number, which exists."""

    async def drop_contact(self, tx: Transaction, scope: Scope, contact_id: UUID) -> Contact:
        """Deletes a contact and returns it. Its opt-out stays. Raises NotFound."""
