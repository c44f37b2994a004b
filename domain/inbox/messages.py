"""Values of the inbox: contacts, conversations, inbound messages, routes and opt-outs.

Those that fill pages are named tuples: 150 of them are made for a page of an inbox, and a dataclass
takes three times as long (docs/decisions/0235).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from domain.dispatch.messages import Refund
from domain.inbox.keywords import Keyword
from domain.inbox.senders import is_answerable
from domain.sending.messages import Direction, Line, Message

SIMULATED: Final = "simulated"
SIMULATED_AS: Final = "extreme"

ConversationKey = tuple[UUID, str]
"""A client and the other side's number. Together they identify a conversation."""


class OptOutSource(StrEnum):
    """How the opt-out of a number became known."""

    KEYWORD = "KEYWORD"
    """The phone sent an opt-out word."""

    BLOCKED = "BLOCKED"
    """The provider reported it."""

    PERSON = "PERSON"
    """A user of the client recorded it."""

    PENDING = "PENDING"
    """The phone sent an opt-out word that could concern several clients. It ends when the operator
    decides which one."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """A number that a client must not send to. `inbound_id`: the message that requested it."""

    client_id: UUID
    number: str
    source: OptOutSource
    inbound_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewInbound:
    """An inbound message that was routed and is not stored yet. `id` is the ID of its event.

    `number`: the sender. `keyword`: the keyword that the text consists of. `blocked`: the provider
    reports that the sender opted out. `mentions_opt_out`: see `InboundMessage`.
    """

    id: UUID
    client_id: UUID
    number: str
    text: str
    created_at: datetime
    receiver: str | None = None
    line: Line | None = None
    name: str | None = None
    business: str | None = None
    keyword: Keyword | None = None
    blocked: bool = False
    mentions_opt_out: bool = False

    @property
    def key(self) -> ConversationKey:
        """The conversation that it belongs to."""
        return self.client_id, self.number

    @property
    def opts_out(self) -> OptOutSource | None:
        """How it opts the sender out, None if it does not."""
        if self.blocked:
            return OptOutSource.BLOCKED
        return OptOutSource.KEYWORD if self.keyword is Keyword.STOP else None


class InboundMessage(NamedTuple):
    """A message from a phone to a client. `feed`: its number in the client's feed.

    `mentions_opt_out`: the text contains an opt-out word but did not opt the sender out.
    `receiver`: the number that it was sent to, if the provider named it.
    """

    id: UUID
    client_id: UUID
    number: str
    text: str
    modem: str | None
    port: str | None
    feed: int
    created_at: datetime
    mentions_opt_out: bool = False
    receiver: str | None = None

    @property
    def direction(self) -> Direction:
        """INBOUND."""
        return Direction.INBOUND

    @property
    def send_id(self) -> None:
        """None: no send created it."""

    @property
    def status(self) -> None:
        """None: an inbound message has no delivery status."""

    @property
    def failure(self) -> None:
        """None: an inbound message cannot fail."""

    @property
    def send_at(self) -> None:
        """None: only outbound messages are scheduled."""

    @property
    def is_reply(self) -> bool:
        """False: only a client's own messages are replies."""
        return False

    @property
    def updated_at(self) -> datetime:
        """The time of creation: an inbound message never changes."""
        return self.created_at

    @property
    def answerable(self) -> bool:
        """Whether the sender is a phone number, rather than a short code or a name."""
        return is_answerable(self.number)

    @property
    def line(self) -> Line | None:
        """The line that it came in on, None if the provider did not name one."""
        return _line(self.modem, self.port)


AnyMessage = Message | InboundMessage
"""A message of either direction."""


ContactKey = tuple[str | None, UUID]
"""The key of a contact in a list: its name as it is sorted, and its ID."""


class ContactOrder(StrEnum):
    """How contacts are sorted."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    NAME = "NAME"


class Contact(NamedTuple):
    """A number that a client has sent to or received from, with the names of its owner.

    `sort_name`: the name as the database sorts it.
    """

    id: UUID
    client_id: UUID
    number: str
    name: str | None
    business: str | None
    opted_out: bool
    created_at: datetime
    sort_name: str = ""

    @property
    def key(self) -> ContactKey:
        """Its key in a list of contacts."""
        return None if self.name is None else self.sort_name, self.id

    @property
    def answerable(self) -> bool:
        """Whether the contact is a phone number, rather than a short code or a name."""
        return is_answerable(self.number)


class Conversation(NamedTuple):
    """A client and a number that has written to it. Inboxes are ordered by the last message.

    `modem`, `port`: the line of the last inbound message. `contact`: None if it was deleted.
    `last_message`: of either direction. It is None only while the messages of a month are dropped.
    """

    id: UUID
    client_id: UUID
    number: str
    unread: int
    last_message_id: UUID
    last_inbound_id: UUID
    modem: str | None
    port: str | None
    updated_at: datetime
    contact: Contact | None
    last_message: AnyMessage | None

    @property
    def answerable(self) -> bool:
        """Whether the other side is a phone number, rather than a short code or a name."""
        return is_answerable(self.number)

    @property
    def line(self) -> Line | None:
        """The line of the last inbound message, None if the provider did not name one."""
        return _line(self.modem, self.port)

    @property
    def pinned(self) -> bool:
        """Whether a reply uses the line that the last inbound message came in on."""
        return self.line is not None


@dataclass(frozen=True, slots=True)
class ContactCard:
    """What a user enters about a number (E.164). None: not given."""

    number: str
    name: str | None
    business: str | None


@dataclass(frozen=True, slots=True)
class ModemRoute:
    """A line that a client has been seen on (learned), or that was assigned to it by hand."""

    id: UUID
    client_id: UUID
    modem: str
    port: str
    assigned_numbers: tuple[str, ...]
    learned: bool
    last_seen_at: datetime | None

    @property
    def line(self) -> Line:
        """The modem and the port."""
        return Line(self.modem, self.port)


@dataclass(frozen=True, slots=True)
class ReplyOrigin:
    """The source of an inbound message, as far as a reply to it needs.

    `provider`: whose webhook call it was. `own_provider`: of the client's account. `accounts`: the
    account that the call named, else the platform's accounts at `provider`. `named_own`: whether
    the call named the client's account; None if it named none.
    """

    provider: str
    own_provider: str
    accounts: Sequence[UUID]
    named_own: bool | None = None

    @property
    def is_own(self) -> bool:
        """Whether it came to the client's own account, or may have."""
        if self.named_own is not None:
            return self.named_own
        return _kind_of(self.provider) == _kind_of(self.own_provider)


@dataclass(frozen=True, slots=True)
class ReplyTerms:
    """What decides whether a client could reply now, besides the conversation and the text.

    `paused`: the provider refuses the account at the moment.
    """

    status: str
    account_id: UUID
    provider_account_id: UUID
    held: int
    price: int
    unit: str
    paused: bool


@dataclass(frozen=True, slots=True)
class CancelledSend:
    """The messages of one send that were cancelled, and their refund."""

    provider_account_id: UUID
    refund: Refund


def _kind_of(provider: str) -> str:
    """The name in the URL of its webhooks: the simulated provider uses that of another one."""
    return SIMULATED_AS if provider == SIMULATED else provider


def _line(modem: str | None, port: str | None) -> Line | None:
    return None if modem is None or port is None else Line(modem, port)
