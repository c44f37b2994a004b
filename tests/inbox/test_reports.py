"""Delivery reports: the same reports end in the same status, in whatever order they come."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox.reports import STATUS_AFTER
from domain.outcomes import ReportedStatus
from domain.sending.sends import REFUNDED, MessageStatus

OPEN = (MessageStatus.SENT, MessageStatus.UNKNOWN)


def after(status: MessageStatus, reports: tuple[ReportedStatus, ...]) -> MessageStatus:
    """Where a message ends that these are told of, in this order."""
    for reported in reports:
        status = STATUS_AFTER.get((status, reported)) or status
    return status


@given(st.sampled_from(OPEN), st.lists(st.sampled_from(ReportedStatus), max_size=5))
def test_any_order_of_the_same_reports_ends_in_the_same_status(
    status: MessageStatus, reports: list[ReportedStatus]
) -> None:
    assert len({after(status, order) for order in permutations(reports)}) == 1


@given(st.sampled_from(MessageStatus), st.lists(st.sampled_from(ReportedStatus), max_size=6))
def test_reports_that_come_twice_change_nothing_more(
    status: MessageStatus, reports: list[ReportedStatus]
) -> None:
    once = after(status, tuple(reports))
    assert after(once, tuple(reports)) is once


@given(st.sampled_from(MessageStatus), st.sampled_from(ReportedStatus))
def test_no_report_gives_anything_back_or_moves_what_was_given_back(
    status: MessageStatus, reported: ReportedStatus
) -> None:
    became = STATUS_AFTER.get((status, reported))
    assert became not in REFUNDED
    assert became is None or status not in REFUNDED


@pytest.mark.parametrize(
    ("status", "reported", "expected"),
    [
        (MessageStatus.SENT, ReportedStatus.TAKEN, None),
        (MessageStatus.SENT, ReportedStatus.DELIVERED, MessageStatus.DELIVERED),
        (MessageStatus.SENT, ReportedStatus.FAILED, MessageStatus.UNDELIVERED),
        (MessageStatus.UNKNOWN, ReportedStatus.TAKEN, MessageStatus.SENT),
        (MessageStatus.UNKNOWN, ReportedStatus.FAILED, MessageStatus.UNDELIVERED),
        (MessageStatus.UNDELIVERED, ReportedStatus.DELIVERED, MessageStatus.DELIVERED),
        (MessageStatus.DELIVERED, ReportedStatus.FAILED, None),
        (MessageStatus.REJECTED, ReportedStatus.DELIVERED, None),
        (MessageStatus.CANCELLED, ReportedStatus.DELIVERED, None),
    ],
)
def test_what_a_report_makes_of_a_message(
    status: MessageStatus, reported: ReportedStatus, expected: MessageStatus | None
) -> None:
    assert STATUS_AFTER.get((status, reported)) is expected


def test_the_table_names_no_status_that_is_not_reached_from_the_provider() -> None:
    assert {status for status, _ in STATUS_AFTER} == {*OPEN, MessageStatus.UNDELIVERED}
