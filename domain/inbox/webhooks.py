"""Values of webhooks: parsed calls, events as they are stored, and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag, StrEnum
from hashlib import sha256
from typing import Any, TypeAlias
from uuid import UUID

from domain.ids import new_id
from domain.inbox.keywords import Keyword
from domain.provider import ReportedStatus
from domain.sending.messages import Line, MessageStatus

LARGEST_BODY = 64 * 1024
"""Bytes of one event."""

REPEAT_SECONDS = 600.0
"""Within this time, an event without an ID is a duplicate of an identical one."""


class WebhookOutcome(StrEnum):
    """The result of an event."""

    ROUTED = "ROUTED"
    UNROUTED = "UNROUTED"
    DUPLICATE = "DUPLICATE"
    REFUSED = "REFUSED"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """An inbound message as a provider sends it; numbers are as given.

    `key`: the provider's ID for it. `blocked`: the provider reports that the sender opted out.
    `keyword`: what the provider understood the text as, None if it does not say. `line_repeats`:
    another account at the provider can have a line of the same name.
    """

    sender: str
    text: str
    key: str | None = None
    receiver: str | None = None
    line: Line | None = None
    name: str | None = None
    business: str | None = None
    blocked: bool = False
    keyword: Keyword | None = None
    line_repeats: bool = True

    @property
    def known_line(self) -> Line | None:
        """The line that it can be routed by."""
        return self.line if self.line is not None and self.line.is_known else None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A delivery report. `number`: the recipient, needed if one reference covers several messages.

    `word`: the status as the provider wrote it. `status`: what it means, None if it is not known.
    `attempt`: the ID of our attempt in hex, if the report names it too: then it also finds a
    message whose answer was lost.
    """

    reference: str
    word: str
    status: ReportedStatus | None
    number: str | None = None
    attempt: str | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A body that this provider does not send. `reason`: a sentence for its developers."""

    reason: str


Parsed: TypeAlias = ReceivedMessage | DeliveryReport | Malformed
Parser: TypeAlias = Callable[[bytes], Parsed]
"""Parses one body. Never raises."""
Parsers: TypeAlias = Mapping[str, Parser]
"""The parser of each provider that may call."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored. `invalid`: why it cannot be received.

    `key`: a SHA-256, equal for repetitions of the same event. `expires`: they count as such only
    within REPEAT_SECONDS. `provider_account_id`: if the call says which account it is about.
    """

    id: UUID
    provider: str
    key: bytes
    body: bytes
    expires: bool = False
    invalid: str | None = None
    provider_account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DueEvent:
    """A stored event to be received, under lock.

    `age_seconds`: since it was received, by the clock of the database. `tries`: how often it was
    postponed. `provider_account_id`: see `NewEvent`.
    """

    id: UUID
    provider: str
    body: bytes
    received_at: datetime
    age_seconds: float
    tries: int
    provider_account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EventResult:
    """The result of receiving an event. `due_in_seconds`: receive it again after that time.

    `sender`: as read, E.164 or a name. `opt_out_pending`: it is a STOP, and blocks the number for
    several clients until the operator decides.
    """

    event_id: UUID
    outcome: WebhookOutcome
    reason: str
    client_id: UUID | None = None
    inbound_id: UUID | None = None
    line: Line | None = None
    sender: str | None = None
    opt_out_pending: bool = False
    due_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LockedEvent:
    """A stored event under lock, with its present result. `sender`: see `EventResult`."""

    event: DueEvent
    outcome: WebhookOutcome
    client_id: UUID | None
    sender: str | None
    opt_out_pending: bool


class Verdicts(IntFlag):
    """What was reported about one message. A long message can get several verdicts."""

    NONE = 0
    DELIVERED = 1
    FAILED = 2
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class ReportedMessage:
    """A message that a delivery report or a status query names, under lock.

    `verdicts`: those that its status does not say already; stored once one of them is REFUSED.
    `is_long`: it has several segments, or its text is not known any more. `unchanged_seconds`:
    since its last change.
    """

    provider: str
    reference: str
    number: str
    message_id: UUID
    send_id: UUID
    client_id: UUID
    status: MessageStatus
    verdicts: Verdicts
    is_long: bool
    provider_account_id: UUID
    unchanged_seconds: float


@dataclass(frozen=True, slots=True)
class ReportedChange:
    """What a report changes about a message under lock. `failure`: why it was not delivered."""

    message: ReportedMessage
    status: MessageStatus
    verdicts: Verdicts
    failure: str | None


@dataclass(frozen=True, slots=True)
class PollPosition:
    """A position in the order of messages. `due_at`: only for messages that were scheduled."""

    id: UUID
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """A message whose status is queried."""

    id: UUID
    reference: str
    position: PollPosition


@dataclass(frozen=True, slots=True)
class PollBatch:
    """The next messages of a round of status queries, in their order.

    `after`: where the previous batch ended. `until`: where this one ends once all were queried.
    """

    after: PollPosition
    until: PollPosition
    messages: Sequence[Polled]


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An event as the operator sees it. `times`: more than 1 for refusals, counted per minute."""

    id: UUID
    received_at: datetime
    provider: str
    outcome: WebhookOutcome
    reason: str
    client_id: UUID | None
    inbound_id: UUID | None
    modem: str | None
    port: str | None
    payload: Any
    updated_at: datetime
    sender: str | None = None
    opt_out_pending: bool = False
    times: int = 1

    @property
    def key(self) -> EventKey:
        """Its key among unrouted events."""
        return self.opt_out_pending, self.id


EventKey: TypeAlias = tuple[bool, UUID]
"""What unrouted events are ordered by: pending opt-outs first, then the newest first."""


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """Whether events still arrive, and the latest results."""

    last_event: WebhookEvent | None
    last_routed_client_id: UUID | None
    events_last_hour: int
    unrouted: int
    pending_opt_outs: int
    refused_last_hour: int


def new_event(
    provider: str, parsed: Parsed, body: bytes, *, provider_account_id: UUID | None = None
) -> NewEvent:
    """The event to store for a call of a provider. `provider_account_id`: None if not known."""
    # The IDs of two accounts are independent of each other.
    source = provider if provider_account_id is None else f"{provider} {provider_account_id}"
    invalid = parsed.reason if isinstance(parsed, Malformed) else None
    match parsed:
        case ReceivedMessage(sender, text, key=str(own)):
            # Modems and phones restart their counters: the same ID alone proves nothing.
            parts = ["inbound", own, sender, text]
        case DeliveryReport(reference, word, number=number):
            parts = ["report", reference, number or "", word]
        case _:
            key = sha256(source.encode() + b"\0\0" + body).digest()
            return NewEvent(
                new_id(),
                provider,
                key,
                body,
                expires=True,
                invalid=invalid,
                provider_account_id=provider_account_id,
            )
    key = sha256("\0".join([source, *parts]).encode()).digest()
    return NewEvent(new_id(), provider, key, body, provider_account_id=provider_account_id)
