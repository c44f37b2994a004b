"""Delivery reports: the same reports end in the same status, in whatever order they come."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox.reports import BECOMES, believe
from domain.outcomes import Verdict
from domain.sending.sends import REFUNDED, MessageStatus

OPEN = (MessageStatus.SENT, MessageStatus.UNKNOWN)


def after(status: MessageStatus, verdicts: tuple[Verdict, ...]) -> MessageStatus:
    """Where a message ends that these are told of, in this order."""
    for verdict in verdicts:
        status = believe(status, verdict) or status
    return status


@given(st.sampled_from(OPEN), st.lists(st.sampled_from(Verdict), max_size=5))
def test_any_order_of_the_same_reports_ends_in_the_same_status(
    status: MessageStatus, verdicts: list[Verdict]
) -> None:
    assert len({after(status, order) for order in permutations(verdicts)}) == 1


@given(st.sampled_from(MessageStatus), st.lists(st.sampled_from(Verdict), max_size=6))
def test_reports_that_come_twice_change_nothing_more(
    status: MessageStatus, verdicts: list[Verdict]
) -> None:
    once = after(status, tuple(verdicts))
    assert after(once, tuple(verdicts)) is once


@given(st.sampled_from(MessageStatus), st.sampled_from(Verdict))
def test_no_report_gives_anything_back_or_moves_what_was_given_back(
    status: MessageStatus, verdict: Verdict
) -> None:
    became = believe(status, verdict)
    assert became not in REFUNDED
    assert became is None or status not in REFUNDED


@pytest.mark.parametrize(
    ("status", "verdict", "expected"),
    [
        (MessageStatus.SENT, Verdict.TAKEN, None),
        (MessageStatus.SENT, Verdict.DELIVERED, MessageStatus.DELIVERED),
        (MessageStatus.SENT, Verdict.FAILED, MessageStatus.UNDELIVERED),
        (MessageStatus.UNKNOWN, Verdict.TAKEN, MessageStatus.SENT),
        (MessageStatus.UNKNOWN, Verdict.FAILED, MessageStatus.UNDELIVERED),
        (MessageStatus.UNDELIVERED, Verdict.DELIVERED, MessageStatus.DELIVERED),
        (MessageStatus.DELIVERED, Verdict.FAILED, None),
        (MessageStatus.REJECTED, Verdict.DELIVERED, None),
        (MessageStatus.CANCELLED, Verdict.DELIVERED, None),
    ],
)
def test_what_a_report_makes_of_a_message(
    status: MessageStatus, verdict: Verdict, expected: MessageStatus | None
) -> None:
    assert believe(status, verdict) is expected


def test_the_table_names_no_status_that_is_not_reached_from_the_provider() -> None:
    assert {status for status, _ in BECOMES} == {*OPEN, MessageStatus.UNDELIVERED}
