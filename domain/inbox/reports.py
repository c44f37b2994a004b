"""Delivery reports: what a provider says later about a message that it accepted.

    status         TAKEN    DELIVERED    FAILED
    UNKNOWN        SENT     DELIVERED    UNDELIVERED
    SENT                    DELIVERED    UNDELIVERED
    UNDELIVERED             DELIVERED

Everything else changes nothing. The same reports therefore end in the same status in any order and
however often they arrive. No report refunds anything: a provider that has an ID for a message
accepted it (docs/decisions/0031).

A report names the message by the provider's ID. It is known here only after the answer of the call
was recorded, so a report that arrives earlier waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.backoff import backoff_seconds
from domain.inbox.ports import Reports
from domain.inbox.webhooks import (
    DueEvent,
    EventResult,
    ReportCall,
    ReportedChange,
    ReportedMessage,
    WebhookOutcome,
)
from domain.outcomes import ReportedStatus
from domain.sending.messages import MessageStatus
from domain.transactions import Transaction

UNDELIVERED = "The network could not deliver this message."
UNKNOWN_MESSAGE = "A delivery report about a message that is not known here."
WAITS_FOR_MESSAGE = "A delivery report that came before its message was recorded as sent: it waits."

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 60.0
GIVE_UP_SECONDS = 900.0

STATUS_AFTER = {
    (MessageStatus.UNKNOWN, ReportedStatus.TAKEN): MessageStatus.SENT,
    (MessageStatus.UNKNOWN, ReportedStatus.DELIVERED): MessageStatus.DELIVERED,
    (MessageStatus.UNKNOWN, ReportedStatus.FAILED): MessageStatus.UNDELIVERED,
    (MessageStatus.SENT, ReportedStatus.DELIVERED): MessageStatus.DELIVERED,
    (MessageStatus.SENT, ReportedStatus.FAILED): MessageStatus.UNDELIVERED,
    (MessageStatus.UNDELIVERED, ReportedStatus.DELIVERED): MessageStatus.DELIVERED,
}
NOT_SUBMITTED = (MessageStatus.QUEUED, MessageStatus.SUBMITTING)


@dataclass(frozen=True, slots=True)
class ReportEvent:
    """A delivery report and its event. `numbers`: what its recipient can be read as.

    None for `numbers`: the report names no recipient, so it is about the only message with its
    reference.
    """

    event: DueEvent
    report: ReportCall
    numbers: Sequence[str] | None
    age_seconds: float


def change_of(message: ReportedMessage, reported: ReportedStatus) -> ReportedChange | None:
    """What a report changes about a message, None for nothing."""
    status = STATUS_AFTER.get((message.status, reported))
    if status is None:
        return None
    return message, status, UNDELIVERED if status is MessageStatus.UNDELIVERED else None


async def apply_reports(
    store: Reports, tx: Transaction, reports: Sequence[ReportEvent]
) -> list[EventResult]:
    """Applies delivery reports in order. One result per report, in the same order."""
    if not reports:
        return []
    named = [
        (each.event.provider, replace(each.report, number=number))
        for each in reports
        for number in ([None] if each.numbers is None else each.numbers)
    ]
    messages = await store.lock_reported(tx, named) if named else []
    changed: dict[int, ReportedChange] = {}
    results = [_apply(report, messages, changed) for report in reports]
    if changed:
        await store.write_reported(tx, list(changed.values()))
    return results


def _apply(
    report: ReportEvent, messages: list[ReportedMessage], changed: dict[int, ReportedChange]
) -> EventResult:
    """The result of one report. Updates `messages` and `changed`."""
    at = _index_of(report, messages)
    if at is None or messages[at].status in NOT_SUBMITTED:
        return _wait(report)
    message, reported = messages[at], report.report.status
    change = change_of(message, reported) if reported else None
    if change is not None:
        changed[at] = change
        messages[at] = replace(message, status=change[1])
    reason = _reason(report.report, message.status, messages[at].status)
    return EventResult(report.event.id, WebhookOutcome.ROUTED, reason, client_id=message.client_id)


def _index_of(report: ReportEvent, messages: Sequence[ReportedMessage]) -> int | None:
    """The index of the report's message, None if none or more than one matches."""
    matches = [
        at
        for at, each in enumerate(messages)
        if each.provider == report.event.provider
        and each.reference == report.report.reference
        and (report.numbers is None or each.number in report.numbers)
    ]
    return matches[0] if len(matches) == 1 else None


def _wait(report: ReportEvent) -> EventResult:
    event = report.event
    if report.age_seconds > GIVE_UP_SECONDS:
        return EventResult(event.id, WebhookOutcome.UNROUTED, UNKNOWN_MESSAGE)
    seconds = backoff_seconds(
        event.tries + 1, first_seconds=FIRST_WAIT_SECONDS, longest_seconds=LONGEST_WAIT_SECONDS
    )
    return EventResult(event.id, WebhookOutcome.UNROUTED, WAITS_FOR_MESSAGE, due_in_seconds=seconds)


def _reason(report: ReportCall, before: MessageStatus, after: MessageStatus) -> str:
    if report.status is None:
        return f"A delivery report with an unknown status: {report.word!r}."
    if after is before:
        return f"A delivery report ({report.word!r}) that changes nothing: {before.value}."
    return f"A delivery report ({report.word!r}): {before.value} to {after.value}."
