"""What follows from what is learned of a message: the four outcomes, decided in this one place.

    status        Accepted   Rejected            NotSent                        Unknown
    SUBMITTING    SENT       REJECTED + refund   QUEUED (too old: as below)     UNKNOWN
    in doubt      SENT       REJECTED + refund   REJECTED + refund              UNKNOWN

In doubt is a message that is UNKNOWN, or SUBMITTING by an attempt older than the last reading: the
reading counted it as UNKNOWN. In any other status it is decided already and nothing changes it. So
there is one refund at most, and no way back to QUEUED once somebody could have taken it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from domain.backoff import backoff_seconds
from domain.dispatch.handover import Handover
from domain.ledger.book import Book, Purpose, TransferKind
from domain.ledger.valuation import value_usd
from domain.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.sends import MessageStatus

NOT_TAKEN = "The network did not take this message."
GIVEN_UP = "The network could not be reached in time."
OPTED_OUT = "This number has asked not to receive messages."
UNDECIDED = (MessageStatus.SUBMITTING, MessageStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider account under lock. `reading`: no message may be marked at this moment.

    `account_id`: the pool's node. `probe_due`: it is paused, and one message may try.
    """

    id: UUID
    account_id: UUID
    epoch: int
    reading: bool
    paused: bool
    probe_due: bool
    rate_per_second: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A message under lock, with what deciding about it needs.

    `epoch`: of its attempt, None where it has none. `attempts`: how often it was marked.
    """

    message_id: UUID
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


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a message.

    `due_in_seconds`: from now; None keeps its place in the queue. `in_reading`: what it cost was
    given back by a reading, so that no transfer does.
    """

    standing: Standing
    status: MessageStatus
    reference: str | None = None
    failure: str | None = None
    waiting_for: str | None = None
    due_in_seconds: float | None = None
    alone: bool = False
    in_reading: bool = False


@dataclass(frozen=True, slots=True)
class Refund:
    """Units that a send gets back: one transfer for each send and settlement.

    `from_pool`: out of the pool's node, which the reading took them into; else from outside.
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
        """Units given back."""
        return self.count * self.price


def decide(
    standing: Standing, outcome: Outcome, *, epoch: int, rules: Handover, chance: float = 0.5
) -> Step | None:
    """What the outcome makes of the message; None where it changes nothing.

    `epoch`: the provider account's now. `chance`: 0 to 1, spreads those that wait.
    """
    if standing.status not in UNDECIDED:
        return None
    in_doubt = standing.status is MessageStatus.UNKNOWN or is_older(standing, epoch)
    match outcome:
        case Accepted(reference):
            return Step(standing, MessageStatus.SENT, reference=reference)
        case Rejected(failure):
            return Step(standing, MessageStatus.REJECTED, failure=failure)
        case NotSent() if in_doubt:
            return Step(standing, MessageStatus.REJECTED, failure=NOT_TAKEN)
        case NotSent():
            return _not_sent(standing, outcome, rules, chance)
        case Unknown():
            return doubt(standing)


def doubt(standing: Standing) -> Step | None:
    """Nobody can tell whether it was taken: it stays charged and is shown as such."""
    if standing.status is not MessageStatus.SUBMITTING:
        return None
    return Step(standing, MessageStatus.UNKNOWN)


def give_up(standing: Standing) -> Step:
    """It has waited too long for a network that takes nothing."""
    return Step(standing, MessageStatus.REJECTED, failure=GIVEN_UP)


def withdraw(step: Step) -> Step:
    """It was not taken, and its number has asked not to be written to meanwhile."""
    return Step(step.standing, MessageStatus.CANCELLED, failure=OPTED_OUT)


def is_older(standing: Standing, epoch: int) -> bool:
    """Whether the deciding attempt was marked before the last reading."""
    return standing.epoch is not None and standing.epoch < epoch


def retry_seconds(attempts: int, rules: Handover, chance: float) -> float:
    """The pause before the next attempt: doubling up to the longest, spread by a half."""
    pause_seconds = backoff_seconds(
        attempts,
        first_seconds=rules.backoff_first_seconds,
        longest_seconds=rules.backoff_longest_seconds,
    )
    return pause_seconds * (0.5 + 0.5 * chance)


def given_back_by_reading(upstream: Upstream, steps: Iterable[Step]) -> list[Step]:
    """The same steps; marked where the client's node is the pool's and the reading gave back."""
    return [
        replace(step, in_reading=True)
        if _refunds(step)
        and is_older(step.standing, upstream.epoch)
        and step.standing.payer_account_id == upstream.account_id
        else step
        for step in steps
    ]


def refunds_of(upstream: Upstream, steps: Iterable[Step]) -> list[Refund]:
    """What the steps give back, one a send (two where a reading came between its attempts)."""
    groups: dict[tuple[UUID, bool], list[Step]] = {}
    for step in steps:
        if _refunds(step) and not step.in_reading:
            older = is_older(step.standing, upstream.epoch)
            groups.setdefault((step.standing.send_id, older), []).append(step)
    return [_refund(steps, from_pool=older) for (_, older), steps in groups.items()]


def nodes_of(upstream: Upstream, refunds: Sequence[Refund]) -> set[UUID]:
    """The nodes that the refunds touch."""
    nodes = {refund.payer_account_id for refund in refunds}
    if any(refund.from_pool for refund in refunds):
        nodes.add(upstream.account_id)
    return nodes


def post_refunds(
    book: Book, upstream: Upstream, refunds: Iterable[Refund], *, actor_id: UUID | None = None
) -> None:
    """Posts one REFUND a refund: to the client, out of the pool's node or from outside."""
    for refund in refunds:
        book.post(
            TransferKind.REFUND,
            refund.amount,
            source=book.holdings[upstream.account_id] if refund.from_pool else None,
            destination=book.holdings[refund.payer_account_id],
            purpose=Purpose(
                send_id=refund.send_id,
                message_id=refund.message_id,
                actor_id=actor_id,
                note=refund.note,
                rate_usd=refund.rate_usd,
                value_usd=value_usd(refund.amount, refund.rate_usd),
            ),
        )


def _not_sent(standing: Standing, outcome: NotSent, rules: Handover, chance: float) -> Step:
    if standing.age_seconds >= rules.give_up_seconds:
        return give_up(standing)
    if outcome.alone and not standing.alone:
        # It keeps its place: nothing is wrong with the network.
        return Step(standing, MessageStatus.QUEUED, waiting_for=outcome.reason, alone=True)
    asked_for = min(outcome.retry_after_seconds or 0.0, rules.rest_longest_seconds)
    return Step(
        standing,
        MessageStatus.QUEUED,
        waiting_for=outcome.reason,
        due_in_seconds=max(asked_for, retry_seconds(standing.attempts, rules, chance)),
    )


def _refunds(step: Step) -> bool:
    return step.status in (MessageStatus.REJECTED, MessageStatus.CANCELLED)


def _refund(steps: Sequence[Step], *, from_pool: bool) -> Refund:
    first = steps[0].standing
    reasons = {step.failure for step in steps}
    return Refund(
        send_id=first.send_id,
        payer_account_id=first.payer_account_id,
        count=len(steps),
        price=first.price,
        rate_usd=first.rate_usd,
        from_pool=from_pool,
        message_id=first.message_id if len(steps) == 1 else None,
        note=reasons.pop() if len(reasons) == 1 else None,
    )
