"""The values of sending: a send before it is accepted, a stored send, and its messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from domain.errors import RejectedRecipient
from domain.identity.access import Payer
from domain.identity.quiet_hours import QuietHours
from domain.ids import last_message_id
from domain.ledger.idempotency import Answer, IdempotencyKey
from domain.sending.recipients import ProviderRoute

BY_MESSAGE: Final = "by message"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """The modem and the port that a message came in through, as the provider named them.

    The modem BY_MESSAGE means that the provider names no line, but lets its message be answered:
    the port is the ID of that message. It serves for replies, and no message is routed by it.

    Two accounts can have a line of the same name. If a webhook call names the account, the modem
    ends with it: docs/decisions/0245.
    """

    modem: str
    port: str

    @property
    def is_known(self) -> bool:
        """Whether it is a line that other messages can come in on."""
        return self.modem != BY_MESSAGE

    def at(self, provider_account_id: UUID) -> Line:
        """This line of that account."""
        return Line(f"{self.modem} (account {provider_account_id.hex[-12:]})", self.port)

    def can_be_at(self, provider_account_id: UUID) -> bool:
        """Whether it names that account, or none."""
        bare = Line(modem_at_provider(self.modem), self.port)
        return self in (bare, bare.at(provider_account_id))


_ACCOUNT = re.compile(r" \(account [0-9a-f]{12}\)\Z")


def modem_at_provider(modem: str) -> str:
    """The modem as its provider names it."""
    return _ACCOUNT.sub("", modem)


class MessageStatus(StrEnum):
    """The state of a message. `domain.dispatch.settlement` has the transitions."""

    QUEUED = "QUEUED"
    SUBMITTING = "SUBMITTING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    UNDELIVERED = "UNDELIVERED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    CANCELLED = "CANCELLED"


IN_FLIGHT = (MessageStatus.QUEUED, MessageStatus.SUBMITTING)
REFUNDED = (MessageStatus.REJECTED, MessageStatus.CANCELLED)
TAKEN = (
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.UNDELIVERED,
    MessageStatus.UNKNOWN,
)
"""The provider has taken the message, or may have."""


class SendKind(StrEnum):
    """What was requested. It decides how soon the messages leave: see `PRIORITY`."""

    REPLY = "REPLY"
    SINGLE = "SINGLE"
    BULK = "BULK"
    MULTI = "MULTI"
    CSV = "CSV"


PRIORITY = {
    SendKind.REPLY: 0,
    SendKind.SINGLE: 1,
    SendKind.BULK: 2,
    SendKind.MULTI: 2,
    SendKind.CSV: 2,
}
LATER = 10
"""Added to the priority of a scheduled message until its time has come, so that claims skip it."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A URL that each status of a message is posted to. `format`: how that is written."""

    url: str
    format: str


@dataclass(frozen=True, slots=True)
class SingleOptions:
    """Options of a single message, each as in `NewSend`."""

    callback: Callback | None = None
    valid_seconds: int | None = None
    line: Line | None = None

    def as_given(self) -> dict[str, object]:
        """What a key is compared by. Empty without options, as in keys of earlier releases."""
        line = self.line
        given = {
            "callback": self.callback.url if self.callback else None,
            "validSeconds": self.valid_seconds,
            "line": [line.modem, line.port] if line else None,
        }
        return {name: value for name, value in given.items() if value is not None}


NO_OPTIONS = SingleOptions()


@dataclass(frozen=True, slots=True)
class RowsToWrite:
    """The rows of an upload that become the messages of a send, after it is charged.

    `plan`: how they become messages, as JSON values. `accepted_rows`: one byte for each row, 1 if
    it is accepted, compressed. `accepted`: how many are. `held`: how many messages are held during
    quiet hours, the last one until `last_held_until`.
    """

    upload_id: UUID
    plan: Mapping[str, object]
    accepted_rows: bytes
    accepted: int
    held: int
    last_held_until: datetime | None


_AFTER_ITS_OWN: Final = UUID(int=0)


@dataclass(slots=True)
class NewSend:
    """A checked send that is not charged yet. Nothing changes it: see `Send`.

    `numbers`: E.164, without duplicates. `texts`: one for each number, in order; None if all
    share `text`. `rejected`: the first 1,000 of `rejected_count`. `line`: the line that it leaves
    through, for a reply or if the client names it; None lets the provider choose. `warning`: for a
    reply, what its sender should know about its line.
    `first_message_id`: the messages have consecutive IDs from here on; by default, the IDs that
    follow `id` (`new_send_id`). So an answer can name them without a read, 100,000 need not be made
    one by one, and they are found by the ID of the send. `send_at`: when the messages are due;
    None for now. `held_until`: one for each number, if it is held until later during quiet hours;
    empty if none is. `callback`: where the statuses of the messages are posted to, besides the
    client's endpoints. `valid_seconds`: how long after it is due a message may be submitted.
    `routes`: one for each number, None without one; empty if no number has one. `rows`: for a send
    whose messages are written in parts after it is charged; it has no `numbers`. `quiet_hours`: in
    these, its messages are not submitted; None without any.
    """

    id: UUID
    payer: Payer
    actor_id: UUID
    kind: SendKind
    numbers: Sequence[str]
    text: str | None
    texts: Sequence[str] | None = None
    rejected: Sequence[RejectedRecipient] = ()
    rejected_count: int = 0
    key: IdempotencyKey | None = None
    line: Line | None = None
    warning: str | None = None
    send_at: datetime | None = None
    held_until: Sequence[datetime | None] = ()
    callback: Callback | None = None
    valid_seconds: int | None = None
    routes: Sequence[ProviderRoute | None] = ()
    rows: RowsToWrite | None = None
    quiet_hours: QuietHours | None = None
    first_message_id: UUID = _AFTER_ITS_OWN

    def __post_init__(self) -> None:
        if self.first_message_id is _AFTER_ITS_OWN:
            self.first_message_id = UUID(int=self.id.int + 1)
        if self.texts is not None and len(self.texts) != len(self.numbers):
            raise ValueError("each number needs a text")

    @property
    def message_ids(self) -> Sequence[UUID]:
        """One ID for each number, in order."""
        first = self.first_message_id.int
        return [UUID(int=first + each) for each in range(len(self.numbers))]

    @property
    def has_range(self) -> bool:
        """Whether its messages have the IDs that follow its own: a job can have others."""
        last = self.first_message_id.int + len(self.numbers) - 1
        return self.id < self.first_message_id and last <= last_message_id(self.id).int

    @property
    def is_single(self) -> bool:
        """Whether its one number is checked for an opt-out when it is charged.

        A list of numbers was checked before.
        """
        return self.kind in (SendKind.SINGLE, SendKind.REPLY)

    @property
    def has_options(self) -> bool:
        """Whether it needs its own statements to be accepted."""
        return self.callback is not None or self.valid_seconds is not None or self.rows is not None

    @property
    def accepted(self) -> int:
        """How many messages it has."""
        return self.rows.accepted if self.rows else len(self.numbers)

    @property
    def held(self) -> int:
        """How many of its messages are held during quiet hours."""
        return self.rows.held if self.rows else len(self.held_until) - self.held_until.count(None)

    @property
    def last_held_until(self) -> datetime | None:
        """When the last of them is due."""
        if self.rows:
            return self.rows.last_held_until
        return max(filter(None, self.held_until), default=None)

    @property
    def cost(self) -> int:
        """What it is charged, in units."""
        return self.accepted * self.payer.price


def answer_of(send: NewSend) -> Answer:
    """What is stored under the key of a send."""
    return {"send": str(send.id)}


@dataclass(frozen=True, slots=True)
class FileColumns:
    """The names of the columns of a file that a send used.

    `text`: of a text for each row, or None. `sheet`: None if the file was not a spreadsheet.
    """

    number: str
    text: str | None
    placeholders: Sequence[str]
    sheet: str | None


@dataclass(slots=True)
class Send:
    """A stored send, with the number of its messages in each status.

    Nothing changes it. It is not frozen, because making a frozen object takes twice as long.
    """

    id: UUID
    client_id: UUID
    kind: SendKind
    accepted: int
    price: int
    value_usd: Decimal | None
    rejected: Sequence[RejectedRecipient]
    rejected_count: int
    counts: Mapping[MessageStatus, int]
    created_at: datetime
    send_at: datetime | None = None
    """The time that its caller requested; None for at once."""

    held: int = 0
    held_until: datetime | None = None
    """How many messages were held during quiet hours, and when the last of them is due."""

    columns: FileColumns | None = None
    """Only in the result of csvSend: it is not stored."""

    accepted_as: NewSend | None = field(default=None, compare=False, repr=False)
    """What was written, if it was accepted just now."""

    @property
    def charged(self) -> int:
        """Units charged so far, less the refunds."""
        refunded = sum(self.counts.get(status, 0) for status in REFUNDED)
        return (self.accepted - refunded) * self.price

    @property
    def finished(self) -> bool:
        """Whether every message is in an end state or submitted to the provider."""
        return not any(self.counts.get(status, 0) for status in IN_FLIGHT)


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """The part of a message that never changes. `text`: None if the send has one text for all."""

    id: UUID
    number: str
    text: str | None


class Message(NamedTuple):
    """One text to one number, with its present status."""

    id: UUID
    send_id: UUID
    client_id: UUID
    number: str
    text: str
    status: MessageStatus
    failure: str | None
    is_reply: bool
    created_at: datetime
    updated_at: datetime
    modem: str | None = None
    port: str | None = None
    send_at: datetime | None = None
    """The time that it is not submitted before; None for at once."""

    @property
    def direction(self) -> Direction:
        """Always outbound."""
        return Direction.OUTBOUND

    @property
    def answerable(self) -> bool:
        """True, because it was sent to a phone number."""
        return True

    @property
    def mentions_opt_out(self) -> bool:
        """False, because only inbound messages can opt out."""
        return False


class Direction(StrEnum):
    """From a client's contact, or to one."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"
