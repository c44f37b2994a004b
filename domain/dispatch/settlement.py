"""The rules that turn an outcome into the next status of a message, refunds, and costs of a route.

    status        Accepted   Rejected            NotSent                        Unknown
    SUBMITTING    SENT       REJECTED + refund   QUEUED (too old: as below)     UNKNOWN
    unclear       SENT       REJECTED + refund   REJECTED + refund              UNKNOWN

A message is unclear if it is UNKNOWN, or if it is SUBMITTING by an attempt older than the last
reading of the balance: the reading has counted it as UNKNOWN. A message in any other status is
decided, and nothing changes it. So there is at most one refund, and no message that the provider
may have taken goes back to QUEUED.

A route moves units between pools when another account sends a message (docs/decisions/0184). The
client pays its own pool as for any message. When an account has taken the message, or may have,

- ROUTE_CREDIT: the client's pool gets the price back, because its own account sent nothing;
- ROUTE_COST: the pool of the account that sent pays the cost of the route.

Both are undone if the message turns out not to have been taken. So a message that is queued or
submitted has moved nothing, and a fallback to an account with another cost needs no correction.
The cost follows the readings of the account that sends, like the charge of a client that owns its
account: what was submitted before the last reading is in that reading, and nothing moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.dispatch.messages import LockedMessage, LockedProviderAccount, Refund, Transition
from domain.dispatch.rules import DispatchRules
from domain.ledger.balances import value_usd
from domain.ledger.book import Book, Purpose, TransferKind
from domain.loops import backoff_seconds
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.messages import TAKEN, MessageStatus

NOT_TAKEN = "The network did not take this message."
GIVEN_UP = "The network could not be reached in time."
EXPIRED = "The validity period ended before the network could take this message."
OPTED_OUT = "This number has asked not to receive messages."
UNDECIDED = (MessageStatus.SUBMITTING, MessageStatus.UNKNOWN)


def transition_for(
    message: LockedMessage,
    outcome: Outcome,
    *,
    epoch: int,
    rules: DispatchRules,
    chance: float = 0.5,
) -> Transition | None:
    """The transition that the outcome leads to, or None if it changes nothing.

    `epoch`: the provider account's present one. `chance`: 0 to 1, spreads the waits of messages.
    """
    if message.status not in UNDECIDED:
        return None
    is_unclear = message.status is MessageStatus.UNKNOWN or is_older(message, epoch)
    match outcome:
        case Accepted(reference):
            return Transition(message, MessageStatus.SENT, reference=reference)
        case Rejected(failure):
            return Transition(message, MessageStatus.REJECTED, failure=failure)
        case NotSent() if is_unclear:
            return Transition(message, MessageStatus.REJECTED, failure=NOT_TAKEN)
        case NotSent():
            return _queue_again(message, outcome, rules, chance)
        case Unknown(reference=reference):
            return as_unknown(message, reference)


def as_unknown(message: LockedMessage, reference: str | None = None) -> Transition | None:
    """UNKNOWN, if the message is SUBMITTING. It stays charged."""
    if message.status is not MessageStatus.SUBMITTING:
        return None
    return Transition(message, MessageStatus.UNKNOWN, reference=reference)


def give_up(message: LockedMessage) -> Transition:
    """REJECTED, because the provider has not taken the message for too long."""
    return Transition(message, MessageStatus.REJECTED, failure=GIVEN_UP)


def expire(message: LockedMessage) -> Transition:
    """REJECTED, because its validity period has ended."""
    return Transition(message, MessageStatus.REJECTED, failure=EXPIRED)


def cancel_opted_out(message: LockedMessage) -> Transition:
    """CANCELLED, because the number has opted out before the message was taken."""
    return Transition(message, MessageStatus.CANCELLED, failure=OPTED_OUT)


def is_older(message: LockedMessage, epoch: int) -> bool:
    """Whether its attempt was marked before the last reading of the balance."""
    return message.epoch is not None and message.epoch < epoch


def retry_seconds(
    attempts: int, rules: DispatchRules, chance: float, *, refused: bool = False
) -> float:
    """The wait before the next attempt: between half of the back-off and all of it.

    `refused`: the provider refused the account. Then the back-off grows as long as that of the
    account. Otherwise one message that is always refused would keep pausing the account.
    """
    pause_seconds = backoff_seconds(
        attempts,
        first_seconds=rules.backoff_first_seconds,
        longest_seconds=rules.probe_longest_seconds if refused else rules.backoff_longest_seconds,
    )
    return pause_seconds * (0.5 + 0.5 * chance)


def mark_refunded_by_reading(
    account: LockedProviderAccount, transitions: Iterable[Transition]
) -> list[Transition]:
    """The same transitions; `in_reading` is set on refunds that a reading has made already.

    That is so if the client's account is the pool itself (an owned provider account): a reading
    of the balance did not contain the charge any more.
    """
    return [
        replace(each, in_reading=True)
        if _is_refunded(each)
        and is_older(each.message, account.epoch)
        and each.message.payer_account_id == account.account_id
        else each
        for each in transitions
    ]


def refunds_of(account: LockedProviderAccount, transitions: Iterable[Transition]) -> list[Refund]:
    """The refunds: one for each send, or two if a reading came between its attempts."""
    groups: dict[tuple[UUID, bool], list[Transition]] = {}
    for each in transitions:
        if _is_refunded(each) and not each.in_reading:
            # The reading of another account says nothing about the client's pool.
            older = each.message.home_id is None and is_older(each.message, account.epoch)
            groups.setdefault((each.message.send_id, older), []).append(each)
    return [_refund(same, from_pool=older) for (_, older), same in groups.items()]


def accounts_of(account: LockedProviderAccount, refunds: Sequence[Refund]) -> set[UUID]:
    """The accounts of the ledger that the refunds change."""
    changed = {refund.payer_account_id for refund in refunds}
    if any(refund.from_pool for refund in refunds):
        changed.add(account.account_id)
    return changed


def post_refunds(
    book: Book,
    account: LockedProviderAccount,
    refunds: Iterable[Refund],
    *,
    actor_id: UUID | None = None,
) -> None:
    """Posts one REFUND transfer for each refund, from the pool's node or from outside."""
    for refund in refunds:
        book.post(
            TransferKind.REFUND,
            refund.amount,
            source=book.holdings[account.account_id] if refund.from_pool else None,
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


def _queue_again(
    message: LockedMessage, outcome: NotSent, rules: DispatchRules, chance: float
) -> Transition:
    if message.age_seconds >= rules.give_up_seconds:
        return give_up(message)
    if outcome.alone and not message.alone:
        # It keeps its place in the queue: the network works.
        return Transition(message, MessageStatus.QUEUED, waiting_for=outcome.reason, alone=True)
    if message.fallback_id is not None and not outcome.retry_after_seconds:
        # Certainly not sent. It keeps its place in the queue, now of the other account.
        return Transition(
            message,
            MessageStatus.QUEUED,
            waiting_for=outcome.reason,
            moves_to=message.fallback_id,
        )
    requested_seconds = min(outcome.retry_after_seconds or 0.0, rules.rest_longest_seconds)
    wait_seconds = retry_seconds(message.attempts, rules, chance, refused=outcome.refuses_account)
    return Transition(
        message,
        MessageStatus.QUEUED,
        waiting_for=outcome.reason,
        due_in_seconds=max(requested_seconds, wait_seconds),
    )


def _is_refunded(transition: Transition) -> bool:
    return transition.status in (MessageStatus.REJECTED, MessageStatus.CANCELLED)


def _refund(transitions: Sequence[Transition], *, from_pool: bool) -> Refund:
    first = transitions[0].message
    reasons = {each.failure for each in transitions}
    return Refund(
        send_id=first.send_id,
        payer_account_id=first.payer_account_id,
        count=len(transitions),
        price=first.price,
        rate_usd=first.rate_usd,
        from_pool=from_pool,
        message_id=first.id if len(transitions) == 1 else None,
        note=reasons.pop() if len(reasons) == 1 else None,
    )


@dataclass(frozen=True, slots=True)
class RouteMove:
    """What the routes of one send move in one settlement. Negative figures undo.

    `home_id`: the node of the client's pool. `credit`: units that it gets. `cost`: units that the
    pool of the sending account pays.
    """

    send_id: UUID
    home_id: UUID
    credit: int
    cost: int


def with_costs(
    account: LockedProviderAccount, transitions: Iterable[Transition]
) -> list[Transition]:
    """The same transitions; routed messages have the units that they cost the account then."""
    return [
        each
        if each.message.home_id is None
        else replace(each, route_charged=_route_charged(account, each))
        for each in transitions
    ]


def route_moves_of(transitions: Iterable[Transition]) -> list[RouteMove]:
    """What the transitions move, one for each send. They have their costs: see `with_costs`."""
    credits: Mapping[tuple[UUID, UUID], list[int]] = defaultdict(lambda: [0, 0])
    for each in transitions:
        message = each.message
        if message.home_id is not None:
            moved = credits[message.send_id, message.home_id]
            moved[0] += message.price * ((each.status in TAKEN) - (message.status in TAKEN))
            moved[1] += (each.route_charged or 0) - (message.route_charged or 0)
    return [RouteMove(*key, *moved) for key, moved in credits.items() if any(moved)]


def nodes_of(account: LockedProviderAccount, moves: Iterable[RouteMove]) -> set[UUID]:
    """The accounts of the ledger that the moves change."""
    changed: set[UUID] = set()
    for each in moves:
        changed |= {each.home_id} if each.credit else set()
        changed |= {account.account_id} if each.cost else set()
    return changed


def post_route_moves(
    book: Book,
    account: LockedProviderAccount,
    moves: Sequence[RouteMove],
    *,
    actor_id: UUID | None = None,
) -> None:
    """Posts the transfers of the moves, between the nodes of pools and outside."""
    for each in moves:
        purpose = Purpose(send_id=each.send_id, actor_id=actor_id)
        _post(book, TransferKind.ROUTE_CREDIT, each.home_id, each.credit, purpose)
        _post(book, TransferKind.ROUTE_COST, account.account_id, -each.cost, purpose)


def _route_charged(account: LockedProviderAccount, transition: Transition) -> int | None:
    """The units that the message costs the account after the transition; None if nothing yet."""
    message = transition.message
    is_taken, was_taken = transition.status in TAKEN, message.status in TAKEN
    if is_taken == was_taken or is_older(message, account.epoch):
        return message.route_charged
    return message.cost if is_taken else None


def _post(book: Book, kind: TransferKind, node_id: UUID, units: int, purpose: Purpose) -> None:
    """Units that the node gets from outside; negative: that it gives."""
    if units:
        node = book.holdings[node_id]
        source, destination = (None, node) if units > 0 else (node, None)
        book.post(kind, abs(units), source=source, destination=destination, purpose=purpose)
