"""The same delivery reports end in the same status in any order."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox.reports import (
    DELIVERED_IN_PART,
    OPEN,
    REFUSED,
    REFUSED_IN_PART,
    STATUS_AFTER,
    UNDELIVERED,
    change_of,
    is_refundable,
)
from domain.inbox.webhooks import ReportedMessage, Verdicts
from domain.provider import ReportedStatus
from domain.sending.messages import REFUNDED, MessageStatus

SUBMITTED = (MessageStatus.SENT, MessageStatus.UNKNOWN)
TAKEN, DELIVERED, FAILED, REFUSAL, RETURNED = ReportedStatus
ANY_REPORTS = st.lists(st.sampled_from([TAKEN, DELIVERED, FAILED, REFUSAL]), max_size=5)
"""RETURNED comes from providers whose reports arrive in order."""
ID = UUID(int=1)


def message(
    status: MessageStatus, *, is_long: bool = False, verdicts: Verdicts = Verdicts.NONE
) -> ReportedMessage:
    return ReportedMessage(
        "kannel", "ref", "+12025550143", ID, ID, ID, status, verdicts, is_long, ID, 0.0
    )


def after(
    message: ReportedMessage, reports: tuple[ReportedStatus, ...]
) -> tuple[ReportedMessage, str | None]:
    """The message after these reports, in this order, and why it was not delivered."""
    failure = None
    for reported in reports:
        change = change_of(message, reported)
        if change is not None:
            message = replace(message, status=change.status, verdicts=change.verdicts)
            failure = change.failure
    return message, failure


def ending(
    message: ReportedMessage, reports: tuple[ReportedStatus, ...]
) -> tuple[MessageStatus, str | None, bool]:
    """The status, the reason, and whether it is refunded in a minute."""
    done, failure = after(message, reports)
    return done.status, failure, is_refundable(done)


@given(st.sampled_from(SUBMITTED), st.booleans(), ANY_REPORTS)
def test_any_order_of_the_same_reports_ends_in_the_same_status_for_the_same_reason(
    status: MessageStatus, is_long: bool, reports: list[ReportedStatus]
) -> None:
    first = message(status, is_long=is_long)
    ends = {ending(first, order) for order in permutations(reports)}
    assert len(ends) == 1, ends


@given(st.sampled_from(MessageStatus), st.booleans(), ANY_REPORTS)
def test_reports_that_come_twice_change_nothing_more(
    status: MessageStatus, is_long: bool, reports: list[ReportedStatus]
) -> None:
    once, _ = after(message(status, is_long=is_long), tuple(reports))
    assert after(once, tuple(reports))[0].status is once.status


@given(st.sampled_from(MessageStatus), st.booleans(), st.sampled_from(ReportedStatus))
def test_no_report_alone_refunds_or_changes_a_refunded_message(
    status: MessageStatus, is_long: bool, reported: ReportedStatus
) -> None:
    change = change_of(message(status, is_long=is_long), reported)
    assert change is None or (change.status not in REFUNDED and status not in REFUNDED)


@pytest.mark.parametrize(
    ("status", "reported", "expected"),
    [
        (MessageStatus.SENT, TAKEN, None),
        (MessageStatus.SENT, DELIVERED, MessageStatus.DELIVERED),
        (MessageStatus.SENT, FAILED, MessageStatus.UNDELIVERED),
        (MessageStatus.SENT, REFUSAL, MessageStatus.UNDELIVERED),
        (MessageStatus.SENT, RETURNED, MessageStatus.UNDELIVERED),
        (MessageStatus.UNKNOWN, RETURNED, MessageStatus.UNDELIVERED),
        (MessageStatus.UNDELIVERED, RETURNED, None),
        (MessageStatus.DELIVERED, RETURNED, None),
        (MessageStatus.REJECTED, RETURNED, None),
        (MessageStatus.QUEUED, RETURNED, None),
        (MessageStatus.SUBMITTING, RETURNED, None),
        (MessageStatus.UNKNOWN, TAKEN, MessageStatus.SENT),
        (MessageStatus.UNKNOWN, FAILED, MessageStatus.UNDELIVERED),
        (MessageStatus.UNKNOWN, REFUSAL, MessageStatus.UNDELIVERED),
        (MessageStatus.UNDELIVERED, DELIVERED, MessageStatus.DELIVERED),
        (MessageStatus.DELIVERED, FAILED, None),
        (MessageStatus.REJECTED, DELIVERED, None),
        (MessageStatus.REJECTED, REFUSAL, None),
        (MessageStatus.CANCELLED, DELIVERED, None),
        (MessageStatus.QUEUED, REFUSAL, None),
        (MessageStatus.SUBMITTING, REFUSAL, None),
    ],
)
def test_a_report_changes_the_status_as_the_table_says(
    status: MessageStatus, reported: ReportedStatus, expected: MessageStatus | None
) -> None:
    change = change_of(message(status), reported)
    assert (change.status if change else None) is expected


@pytest.mark.parametrize(
    ("reports", "short", "long"),
    [
        ((REFUSAL,), ("UNDELIVERED", REFUSED), ("UNDELIVERED", REFUSED_IN_PART)),
        ((TAKEN, REFUSAL), ("UNDELIVERED", REFUSED), ("UNDELIVERED", REFUSED_IN_PART)),
        ((FAILED, REFUSAL), ("UNDELIVERED", UNDELIVERED), ("UNDELIVERED", REFUSED_IN_PART)),
        ((DELIVERED, REFUSAL), ("DELIVERED", None), ("UNDELIVERED", DELIVERED_IN_PART)),
        ((DELIVERED, FAILED, REFUSAL), ("DELIVERED", None), ("UNDELIVERED", DELIVERED_IN_PART)),
        ((DELIVERED, FAILED), ("DELIVERED", None), ("DELIVERED", None)),
    ],
)
def test_verdicts_decide_together_once_the_network_has_refused_a_part(
    reports: tuple[ReportedStatus, ...], short: tuple[str, str | None], long: tuple[str, str | None]
) -> None:
    for is_long, expected in ((False, short), (True, long)):
        for order in permutations(reports):
            done, failure = after(message(MessageStatus.SENT, is_long=is_long), order)
            assert (done.status.value, failure) == expected


def test_reports_change_only_submitted_messages() -> None:
    assert {status for status, _ in STATUS_AFTER} == {*SUBMITTED, MessageStatus.UNDELIVERED}
    assert {*OPEN} == {*SUBMITTED, MessageStatus.UNDELIVERED, MessageStatus.DELIVERED}
