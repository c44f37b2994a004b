"""The same delivery reports end in the same status in any order."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox.reports import STATUS_AFTER
from domain.outcomes import ReportedStatus
from domain.sending.messages import REFUNDED, MessageStatus

OPEN = (MessageStatus.SENT, MessageStatus.UNKNOWN)


def after(status: MessageStatus, reports: tuple[ReportedStatus, ...]) -> MessageStatus:
    """The status of a message after these reports, in this order."""
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
def test_no_report_refunds_or_changes_a_refunded_message(
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
def test_the_status_after_a_report(
    status: MessageStatus, reported: ReportedStatus, expected: MessageStatus | None
) -> None:
    assert STATUS_AFTER.get((status, reported)) is expected


def test_reports_change_only_submitted_messages() -> None:
    assert {status for status, _ in STATUS_AFTER} == {*OPEN, MessageStatus.UNDELIVERED}
