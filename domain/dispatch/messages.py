"""The values that the dispatch area and its ports exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from domain.identity.quiet_hours import QuietHours
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Rejected
from domain.sending.messages import MessageStatus, modem_at_provider
from domain.sending.schedule import ends_of_hold


@dataclass(frozen=True, slots=True, order=True)
class QueuePosition:
    """Where a message is in the queue of its tenant and priority."""

    due_at: datetime
    message_id: UUID


BEGINNING = QueuePosition(datetime.min.replace(tzinfo=UTC), UUID(int=0))


EVER_SECONDS = 1e10
"""Longer than any message has been due: some 300 years."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tenant that has messages of a priority due.

    `position`: of the first of them that became due at `since` or later.
    """

    priority: int
    client_id: UUID
    position: QueuePosition = field(default=BEGINNING, compare=False)
    since: datetime = field(default=BEGINNING.due_at, compare=False)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many messages of a tenant may be picked, from `position` on."""

    priority: int
    client_id: UUID
    messages: int
    position: QueuePosition = field(default=BEGINNING, compare=False)


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that was picked from the queue and is locked.

    `alone`: a bulk call with this message was rejected as a whole, so it gets its own call.
    `opted_out`: the message was scheduled, and its number has opted out since. `expired`: its
    validity period has ended. `quiet_hours`: those in which it is not submitted. `picked_at`: by
    the clock of the database; None without quiet hours.
    """

    id: UUID
    send_id: UUID
    client_id: UUID
    priority: int
    number: str
    text: str
    alone: bool
    modem: str | None = None
    port: str | None = None
    opted_out: bool = False
    expired: bool = False
    due_at: datetime = BEGINNING.due_at
    quiet_hours: QuietHours | None = None
    picked_at: datetime | None = None

    @property
    def position(self) -> QueuePosition:
        """Its position in the queue."""
        return QueuePosition(self.due_at, self.id)

    @property
    def held_until(self) -> datetime | None:
        """When its quiet hours end, if they apply to its recipient now; else None."""
        if self.quiet_hours is None or self.picked_at is None:
            return None
        [ends_at] = ends_of_hold([self.number], self.picked_at, self.quiet_hours)
        return ends_at


@dataclass(frozen=True, slots=True)
class Call:
    """Messages that are submitted in one call, in ID order: all of one tenant, and of one send."""

    attempt_id: UUID
    messages: Sequence[Queued]

    @property
    def outgoing(self) -> list[OutgoingMessage]:
        """The messages for the provider, in order. A reply names its modem and port."""
        attempt = self.attempt_id.hex
        return [
            OutgoingMessage(
                each.number,
                each.text,
                each.modem and modem_at_provider(each.modem),
                each.port,
                attempt,
                each.id.hex,
            )
            for each in self.messages
        ]

    @property
    def priority(self) -> int:
        """The priority of all its messages."""
        return self.messages[0].priority

    @property
    def client_id(self) -> UUID:
        """The tenant of all its messages."""
        return self.messages[0].client_id


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that has ended, with one outcome for each message.

    `is_probe`: it tried whether a paused provider account works again.
    """

    attempt_id: UUID
    outcomes: Mapping[UUID, Outcome]
    is_probe: bool = False

    @property
    def account_rejection(self) -> str | None:
        """Why the provider rejects the account itself, or None."""
        for outcome in self.outcomes.values():
            if isinstance(outcome, NotSent) and outcome.refuses_account:
                return outcome.reason
        return None

    @property
    def lifts_pause(self) -> bool:
        """Whether it proves that the provider account works again."""
        return self.is_probe and any(
            isinstance(outcome, Accepted | Rejected) for outcome in self.outcomes.values()
        )


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended. `outcome` is one of the words of the attempt table."""

    attempt_id: UUID
    outcome: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class RateAllowance:
    """Messages that a rate limit allows now. If 0, the seconds until it allows more."""

    messages: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class LockedProviderAccount:
    """A provider account whose row is locked.

    `account_id`: the pool's node. `is_read`: its balance is being read, so nothing may be marked.
    `paused`: the provider refuses it. `probe_due`: it is paused, and one message may try whether it
    works again. `stopped`: a person has paused it, and nothing may be marked.
    """

    id: UUID
    account_id: UUID
    epoch: int
    is_read: bool
    paused: bool
    probe_due: bool
    rate_per_second: int | None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class LockedMessage:
    """A message whose row is locked, with what a decision about it needs.

    `epoch`: of its attempt, None without an attempt. `attempts`: how often it was marked. If it has
    a route: `home_id`: the node of its client's pool. `cost`: units that the account pays that it
    waits for. `fallback_id`: the account that it may move to. `route_charged`: units paid so far.
    """

    id: UUID
    send_id: UUID
    status: MessageStatus
    attempt_id: UUID | None
    epoch: int | None
    attempts: int
    alone: bool
    age_seconds: float
    price: int
    payer_account_id: UUID
    rate_usd: Decimal | None
    home_id: UUID | None = None
    cost: int = 0
    fallback_id: UUID | None = None
    route_charged: int | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """The next status of a message.

    `due_in_seconds`: from now; None keeps its place in the queue. `in_reading`: a reading of the
    balance has given its charge back, so no transfer does. `moves_to`: the account that it waits
    for from now on. `route_charged`: what the account that sends has paid, if it has a route.
    """

    message: LockedMessage
    status: MessageStatus
    reference: str | None = None
    failure: str | None = None
    waiting_for: str | None = None
    due_in_seconds: float | None = None
    alone: bool = False
    in_reading: bool = False
    moves_to: UUID | None = None
    route_charged: int | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """Units that a send gets back: one transfer for each send and settlement.

    `from_pool`: from the pool's node, because a reading has put them there; else from outside.
    """

    send_id: UUID
    payer_account_id: UUID
    count: int
    price: int
    rate_usd: Decimal | None = None
    from_pool: bool = False
    message_id: UUID | None = None
    note: str | None = None

    @property
    def amount(self) -> int:
        """Units to give back."""
        return self.count * self.price


@dataclass(frozen=True, slots=True)
class CancellableSend:
    """A send, with what is needed to give its charge back."""

    send_id: UUID
    provider_account_id: UUID
    refund: Refund


@dataclass(frozen=True, slots=True)
class UnknownFilter:
    """Which UNKNOWN messages are meant. None does not restrict.

    `attempted_before`: their call was marked before this time.
    """

    send_id: UUID | None = None
    client_id: UUID | None = None
    attempted_before: datetime | None = None


UnknownKey: TypeAlias = tuple[UUID, datetime, UUID]
"""The order in which UNKNOWN messages are settled: provider account, last change, and message."""


@dataclass(frozen=True, slots=True)
class UnknownAttempt:
    """An UNKNOWN message, as far as settling it needs. `unit`: of its provider account."""

    id: UUID
    provider_account_id: UUID
    updated_at: datetime
    attempt_id: UUID
    unit: str

    @property
    def key(self) -> UnknownKey:
        """Its place in the order."""
        return self.provider_account_id, self.updated_at, self.id


@dataclass(frozen=True, slots=True)
class UnknownTotal:
    """UNKNOWN messages of the accounts with one unit, and what was charged for them."""

    unit: str
    messages: int
    units: int


@dataclass(frozen=True, slots=True)
class SettledUnknowns:
    """What was settled, or in a dry run what would be. `remaining`: how many still match."""

    dry_run: bool
    messages: int
    totals: Sequence[UnknownTotal]
    remaining: int
    attempted_before: datetime


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call without an answer, and those of its messages that are UNKNOWN, in ID order.

    `is_ours`: whether the call had a key, the account is still the one that was called, and this
    database knows all calls since. Otherwise, what the provider does not know may have been sent.
    """

    attempt_id: UUID
    message_ids: Sequence[UUID]
    numbers: Sequence[str]
    is_ours: bool

    @property
    def outgoing(self) -> list[OutgoingMessage]:
        """The messages as they were given to the provider, without their texts."""
        attempt = self.attempt_id.hex
        return [
            OutgoingMessage(number, "", attempt=attempt, id=each.hex)
            for each, number in zip(self.message_ids, self.numbers, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class UnknownMessage(UnknownAttempt):
    """An UNKNOWN message, with what helps to find it in the provider's log."""

    send_id: UUID
    client_id: UUID
    client_name: str
    provider: str
    number: str
    text: str
    charged: int
    accepted_at: datetime
    attempted_at: datetime
    messages_in_call: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class UncapturedSend:
    """A send whose numbers are not in its client's contacts yet.

    `captured_to`: the last message that was captured, None before the first part. `is_written`:
    whether all of its messages are written.
    """

    send_id: UUID
    client_id: UUID
    accepted: int
    captured_to: UUID | None
    is_written: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not finished yet, over all processes and all tenants.

    `oldest_seconds`: since the first queued message became due: was accepted, reached its time, or
    may be tried again; 0 if none is due. `pending_opt_outs`: unrouted STOPs that the operator must
    assign. `scheduled`: messages whose time has not come; `queued` does not count them. `hooks`:
    deliveries of client webhooks that wait; `failing_hooks`: endpoints that have failed for a day.
    `misplaced`: rows of a month that no partition was made for.
    """

    queued: int
    oldest_seconds: float
    unknown: int
    events: int
    pending_opt_outs: int = 0
    scheduled: int = 0
    hooks: int = 0
    failing_hooks: int = 0
    misplaced: int = 0
