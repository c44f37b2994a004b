"""What follows from an outcome: the table of `settlement`, and which way refunds go."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dispatch.messages import LockedMessage, LockedProviderAccount, Transition
from domain.dispatch.rules import DispatchRules
from domain.dispatch.settlement import (
    GIVEN_UP,
    NOT_TAKEN,
    accounts_of,
    give_up,
    mark_refunded_by_reading,
    post_refunds,
    refunds_of,
    retry_seconds,
    transition_for,
)
from domain.ledger.book import Book, Holding, NodeKind, TransferKind
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.messages import MessageStatus

RULES = DispatchRules()
EPOCH = 7
SEND, OTHER_SEND, CLIENT, POOL = (UUID(int=each) for each in (1, 2, 3, 4))
ACCOUNT = LockedProviderAccount(
    id=UUID(int=5),
    account_id=POOL,
    epoch=EPOCH,
    is_read=False,
    paused=False,
    probe_due=False,
    rate_per_second=None,
)
MESSAGE = LockedMessage(
    id=UUID(int=6),
    send_id=SEND,
    status=MessageStatus.SUBMITTING,
    attempt_id=UUID(int=7),
    epoch=EPOCH,
    attempts=1,
    alone=False,
    age_seconds=1.0,
    price=2,
    payer_account_id=CLIENT,
    rate_usd=Decimal("0.03"),
)
OUTCOMES: list[Outcome] = [
    Accepted("ref"),
    Rejected("no"),
    NotSent("refused"),
    NotSent("no money", refuses_account=True),
    NotSent("wait", retry_after_seconds=9),
    NotSent("as a whole", alone=True),
    Unknown("?"),
]
UNKNOWN = replace(MESSAGE, status=MessageStatus.UNKNOWN)
COUNTED_AS_UNKNOWN = replace(MESSAGE, epoch=EPOCH - 1)


def after(message: LockedMessage, outcome: Outcome) -> Transition | None:
    return transition_for(message, outcome, epoch=EPOCH, rules=RULES)


def status_after(message: LockedMessage, outcome: Outcome) -> str | None:
    transition = after(message, outcome)
    return transition.status.value if transition else None


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Accepted("ref"), "SENT"),
        (Accepted(None), "SENT"),
        (Rejected("no"), "REJECTED"),
        (NotSent("refused"), "QUEUED"),
        (NotSent("no money", refuses_account=True), "QUEUED"),
        (NotSent("as a whole", alone=True), "QUEUED"),
        (Unknown("?"), "UNKNOWN"),
    ],
)
def test_an_answer_decides_what_is_being_submitted(outcome: Outcome, status: str) -> None:
    assert status_after(MESSAGE, outcome) == status


@pytest.mark.parametrize("message", [UNKNOWN, COUNTED_AS_UNKNOWN], ids=["UNKNOWN", "older epoch"])
@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Accepted("ref"), "SENT"),
        (Rejected("no"), "REJECTED"),
        (NotSent("refused"), "REJECTED"),
        (NotSent("no money", refuses_account=True), "REJECTED"),
        (NotSent("as a whole", alone=True), "REJECTED"),
    ],
)
def test_a_late_answer_decides_an_unknown_message(
    message: LockedMessage, outcome: Outcome, status: str
) -> None:
    assert status_after(message, outcome) == status


def test_an_unknown_outcome_stays_unknown() -> None:
    assert status_after(UNKNOWN, Unknown("?")) is None
    assert status_after(COUNTED_AS_UNKNOWN, Unknown("?")) == "UNKNOWN"


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize(
    "status", [each for each in MessageStatus if each.value not in ("SUBMITTING", "UNKNOWN")]
)
def test_a_decided_message_stays_decided(status: MessageStatus, outcome: Outcome) -> None:
    assert after(replace(MESSAGE, status=status), outcome) is None


@given(
    outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1),
    ages=st.lists(st.sampled_from([1.0, 90_000.0]), min_size=1),
)
def test_no_order_of_answers_refunds_twice_or_queues_an_unknown_message_again(
    outcomes: list[Outcome], ages: list[float]
) -> None:
    message, seen = UNKNOWN, [MessageStatus.UNKNOWN]
    for number, outcome in enumerate(outcomes):
        aged = replace(message, age_seconds=ages[number % len(ages)])
        transition = after(aged, outcome)
        if transition is not None:
            message = replace(message, status=transition.status)
            seen.append(transition.status)
    assert MessageStatus.QUEUED not in seen
    assert seen.count(MessageStatus.REJECTED) + seen.count(MessageStatus.SENT) <= 1


def test_the_reference_and_the_reasons_are_kept() -> None:
    assert after(MESSAGE, Accepted("ref")) == Transition(
        MESSAGE, MessageStatus.SENT, reference="ref"
    )
    assert after(MESSAGE, Rejected("no")) == Transition(
        MESSAGE, MessageStatus.REJECTED, failure="no"
    )
    late = after(UNKNOWN, NotSent("refused"))
    assert late == Transition(UNKNOWN, MessageStatus.REJECTED, failure=NOT_TAKEN)
    waiting = after(MESSAGE, NotSent("refused"))
    assert waiting is not None
    assert waiting.waiting_for == "refused"


def test_messages_of_a_refused_call_go_alone_and_keep_their_place() -> None:
    transition = after(MESSAGE, NotSent("as a whole", alone=True))
    assert transition is not None
    assert (transition.alone, transition.due_in_seconds) == (True, None)


def test_a_single_message_that_is_refused_as_a_whole_waits() -> None:
    transition = after(replace(MESSAGE, alone=True), NotSent("as a whole", alone=True))
    assert transition is not None
    assert transition.due_in_seconds is not None


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (NotSent("refused"), 0.75),
        (NotSent("wait", retry_after_seconds=9), 9),
        (NotSent("wait", retry_after_seconds=0.1), 0.75),
        (NotSent("wait", retry_after_seconds=1e9), 600),
        (NotSent("no money", refuses_account=True), 0.75),
    ],
)
def test_a_message_waits_for_the_requested_time_within_bounds(
    outcome: NotSent, seconds: float
) -> None:
    transition = after(MESSAGE, outcome)
    assert transition is not None
    assert transition.due_in_seconds == seconds


def test_the_pause_doubles_with_each_attempt_up_to_a_minute() -> None:
    pauses = [retry_seconds(attempts, RULES, 1.0) for attempts in (1, 2, 3, 6, 7, 8, 32_767)]
    assert pauses == [1, 2, 4, 32, 60, 60, 60]


def test_a_message_with_which_the_account_is_refused_is_tried_as_rarely_as_the_account() -> None:
    refused = replace(MESSAGE, attempts=100)
    waits = [NotSent("no money", refuses_account=True), NotSent("not reached")]
    found = [after(refused, each) for each in waits]
    assert [each and each.due_in_seconds for each in found] == [450, 45]


@given(attempts=st.integers(1, 32_767), chance=st.floats(0, 1))
def test_pauses_are_spread_by_a_half(attempts: int, chance: float) -> None:
    longest = retry_seconds(attempts, RULES, 1.0)
    assert longest / 2 <= retry_seconds(attempts, RULES, chance) <= longest


@pytest.mark.parametrize("outcome", OUTCOMES[2:6])
def test_a_message_not_taken_for_a_day_is_rejected(outcome: NotSent) -> None:
    old = replace(MESSAGE, age_seconds=86_400.0)
    assert after(old, outcome) == Transition(old, MessageStatus.REJECTED, failure=GIVEN_UP)


def test_a_refund_is_one_transfer_a_send() -> None:
    transitions = [
        Transition(replace(MESSAGE, id=UUID(int=10 + number)), MessageStatus.REJECTED, failure=f)
        for number, f in enumerate(["no", "no", "no"])
    ]
    transitions.append(Transition(MESSAGE, MessageStatus.SENT))
    transitions.append(
        Transition(replace(MESSAGE, send_id=OTHER_SEND), MessageStatus.REJECTED, failure="x")
    )
    first, second = refunds_of(ACCOUNT, transitions)
    assert (first.send_id, first.amount, first.note, first.message_id) == (SEND, 6, "no", None)
    assert (second.send_id, second.amount, second.note) == (OTHER_SEND, 2, "x")
    assert second.message_id == MESSAGE.id


@pytest.mark.parametrize(("epoch", "from_pool"), [(EPOCH - 1, True), (EPOCH, False), (None, False)])
def test_the_refund_of_an_older_attempt_comes_from_the_pool(
    epoch: int | None, from_pool: bool
) -> None:
    transition = give_up(replace(MESSAGE, epoch=epoch))
    (refund,) = refunds_of(ACCOUNT, [transition])
    assert refund.from_pool is from_pool
    assert accounts_of(ACCOUNT, [refund]) == ({CLIENT, POOL} if from_pool else {CLIENT})
    book = Book(
        {
            CLIENT: Holding(CLIENT, ACCOUNT.id, NodeKind.CLIENT, POOL, held=10, version=1),
            POOL: Holding(POOL, ACCOUNT.id, NodeKind.POOL, None, held=10, version=1),
        }
    )
    post_refunds(book, ACCOUNT, [refund])
    (transfer,) = book.transfers
    assert transfer.kind is TransferKind.REFUND
    assert (transfer.source_id, transfer.destination_id) == (POOL if from_pool else None, CLIENT)
    assert transfer.purpose.value_usd == Decimal("0.06")
    assert book.holdings[CLIENT].held == 12
    assert book.holdings[POOL].held == (8 if from_pool else 10)


def test_an_owned_account_gets_back_by_the_reading_what_an_older_attempt_cost() -> None:
    own = replace(MESSAGE, payer_account_id=POOL)
    older = replace(own, epoch=EPOCH - 1)
    transitions = mark_refunded_by_reading(
        ACCOUNT, [give_up(older), give_up(own), Transition(older, MessageStatus.SENT)]
    )
    assert [transition.in_reading for transition in transitions] == [True, False, False]
    (refund,) = refunds_of(ACCOUNT, transitions)
    assert (refund.count, refund.from_pool) == (1, False)


def test_the_deadline_must_be_shorter_than_the_lease() -> None:
    with pytest.raises(ValueError, match="below the lease"):
        DispatchRules(deadline_seconds=30, lease_seconds=30)
    with pytest.raises(ValueError, match="calls_at_once must be at least 1"):
        DispatchRules(calls_at_once=0)
    assert DispatchRules(deadline_seconds=10, lease_seconds=30).start_within_seconds == 20
