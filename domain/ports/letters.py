"""What is looked up of inboxes, routes and events: `persistence.inbox`, `.switchboard` fill it.

Each read of what belongs to tenants takes first whose rows may be seen; what lies outside is
NotFound or missing, exactly like what does not exist. Lists are newest first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.access import Everything, OfClient, Scope
from domain.pages import Page, Window
from domain.ports.inbox import Correspondence
from domain.ports.ledger import Transaction
from domain.reading.contacts import Contact
from domain.two_way.inbox import AnyMessage, Conversation, InboundMessage, ModemRoute
from domain.two_way.webhooks import DueEvent, Line, WebhookEvent, WebhookOutcome, WebhookStatus


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
