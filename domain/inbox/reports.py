"""Delivery reports: what a provider says later about a message that it accepted.

    status         TAKEN    DELIVERED    FAILED
    UNKNOWN        SENT     DELIVERED    UNDELIVERED
    SENT                    DELIVERED    UNDELIVERED
    UNDELIVERED             DELIVERED

Everything else changes nothing. The same reports therefore end in the same status in any order and
however often they arrive.

REFUSED is what a gateway says: it had accepted the message, and the network behind it did not. Once
it is reported, the verdicts are kept, and decide together (docs/decisions/0174):

    verdicts                    short message            long message
    REFUSED alone               REJECTED + refund        UNDELIVERED
    with FAILED                 UNDELIVERED              UNDELIVERED
    with DELIVERED              DELIVERED                UNDELIVERED: a part was delivered

The refund waits for REFUND_AFTER_SECONDS, in which the message is UNDELIVERED, because another
verdict may be on its way.

RETURNED is the last word of a provider that has sent no part of the message, however long it is.
Unless it was delivered, it is UNDELIVERED, and REJECTED with its refund at once. The provider gives
its charge back now, so a reading since the message was submitted still has the charge.

No other report refunds anything: a provider that has an ID for a message accepted it
(docs/decisions/0031).

A report names the message by the provider's ID. It is known here only after the answer of the call
was recorded, so a report that arrives earlier waits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.dispatch.messages import LockedProviderAccount, Transition
from domain.dispatch.recording import write_settlement
from domain.inbox.ports import Reports
from domain.inbox.webhooks import (
    DeliveryReport,
    DueEvent,
    EventResult,
    ReportedChange,
    ReportedMessage,
    Verdicts,
    WebhookOutcome,
)
from domain.loops import backoff_seconds
from domain.provider import ReportedStatus
from domain.sending.messages import MessageStatus
from domain.transactions import Transaction

UNDELIVERED = "The network could not deliver this message."
REFUSED = "The network refused this message."
REFUSED_IN_PART = "The network refused this message or a part of it."
DELIVERED_IN_PART = "Only a part of this message was delivered."
UNKNOWN_MESSAGE = "A delivery report about a message that is not known here."
WAITS_FOR_MESSAGE = "A delivery report that came before its message was recorded as sent: it waits."
UNSENT = "A delivery report about a call that the provider refused: it changes nothing."
WAITS_FOR_REFUND = "A report that the network refused the message: it is refunded in a minute."

ATTEMPT = re.compile(r"[0-9a-f]{32}")
"""The ID of an attempt as a reference."""

REFUND_AFTER_SECONDS = 60.0
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
OPEN = (
    MessageStatus.UNKNOWN,
    MessageStatus.SENT,
    MessageStatus.UNDELIVERED,
    MessageStatus.DELIVERED,
)
VERDICTS = {
    ReportedStatus.TAKEN: Verdicts.NONE,
    ReportedStatus.DELIVERED: Verdicts.DELIVERED,
    ReportedStatus.FAILED: Verdicts.FAILED,
    ReportedStatus.REFUSED: Verdicts.REFUSED,
}
VERDICTS_SHOWN = {
    MessageStatus.DELIVERED: Verdicts.DELIVERED,
    MessageStatus.UNDELIVERED: Verdicts.FAILED,
}
"""What a status says if nothing was refused."""


@dataclass(frozen=True, slots=True)
class ReportEvent:
    """A delivery report and its event. `numbers`: what its recipient can be read as.

    None for `numbers`: the report names no recipient, so it is about the only message with its
    reference.
    """

    event: DueEvent
    report: DeliveryReport
    numbers: Sequence[str] | None


def change_of(message: ReportedMessage, reported: ReportedStatus) -> ReportedChange | None:
    """What a report changes about a message, None for nothing."""
    if reported is ReportedStatus.RETURNED:
        if message.status not in (MessageStatus.UNKNOWN, MessageStatus.SENT):
            return None
        return ReportedChange(message, MessageStatus.UNDELIVERED, Verdicts.REFUSED, REFUSED)
    verdicts = _verdicts_of(message) | VERDICTS[reported]
    if Verdicts.REFUSED in verdicts and message.status in OPEN:
        return _change_of_refused(message, verdicts)
    status = STATUS_AFTER.get((message.status, reported))
    if status is None:
        return None
    failure = UNDELIVERED if status is MessageStatus.UNDELIVERED else None
    return ReportedChange(message, status, Verdicts.NONE, failure)


def is_refundable(message: ReportedMessage) -> bool:
    """Whether the network certainly has no part of it."""
    refused = message.verdicts == Verdicts.REFUSED and not message.is_long
    return refused and message.status is MessageStatus.UNDELIVERED


def is_returned(message: ReportedMessage, reported: ReportedStatus | None) -> bool:
    """Whether a report, after its change, says that nothing was sent."""
    return reported is ReportedStatus.RETURNED and message.status is MessageStatus.UNDELIVERED


async def apply_reports(
    store: Reports, tx: Transaction, reports: Sequence[ReportEvent]
) -> list[EventResult]:
    """Applies delivery reports. One result per report, in any order."""
    if not reports:
        return []
    # Refusals last, so that another verdict of the same batch can prevent a refund.
    reports = sorted(reports, key=_is_refusal)
    refusing = [each.report.reference for each in reports if _is_refusal(each)]
    account_ids = await store.provider_accounts_of(tx, refusing) if refusing else []
    # Before the messages, like all code that refunds.
    accounts = {each: await store.lock_provider_account(tx, each) for each in account_ids}
    named = [
        (each.event.provider, replace(each.report, number=number))
        for each in reports
        for number in ([None] if each.numbers is None else each.numbers)
    ]
    messages = await store.lock_reported(tx, named) if named else []
    batch = _Batch(messages, accounts, await _unsent(store, tx, reports, messages))
    results = [batch.apply(report) for report in reports]
    if batch.changed:
        await store.write_reported(tx, list(batch.changed.values()))
    await refund(store, tx, accounts.values(), batch.refunded, returned=batch.returned)
    return results


async def _unsent(
    store: Reports,
    tx: Transaction,
    reports: Sequence[ReportEvent],
    messages: Sequence[ReportedMessage],
) -> set[str]:
    """References without a message that are attempts which the provider refused."""
    known = {each.reference for each in messages}
    references = {each.report.reference for each in reports} - known
    attempt_ids = [UUID(each) for each in references if ATTEMPT.fullmatch(each)]
    found = await store.find_unsent(tx, attempt_ids) if attempt_ids else set()
    return {each.hex for each in found}


async def refund(
    store: Reports,
    tx: Transaction,
    accounts: Iterable[LockedProviderAccount],
    refused: Sequence[ReportedMessage],
    *,
    returned: Collection[UUID],
) -> None:
    """Makes the messages REJECTED, with their refunds. They are UNDELIVERED and locked.

    `returned`: the IDs of those that are RETURNED.
    """
    for account in accounts:
        ids = [each.message_id for each in refused if each.provider_account_id == account.id]
        found = await store.lock_refused(tx, ids) if ids else []
        given_back = [
            replace(each, epoch=account.epoch) if each.id in returned else each for each in found
        ]
        rejected = [
            Transition(each, MessageStatus.REJECTED, failure=REFUSED) for each in given_back
        ]
        await write_settlement(store, tx, account, rejected)


@dataclass(slots=True)
class _Batch:
    """The messages of a batch of reports, under lock, and their changes."""

    messages: list[ReportedMessage]
    accounts: Mapping[UUID, LockedProviderAccount]
    unsent: set[str]
    changed: dict[int, ReportedChange] = field(default_factory=dict)
    refunded: list[ReportedMessage] = field(default_factory=list)
    returned: set[UUID] = field(default_factory=set)

    def apply(self, report: ReportEvent) -> EventResult:
        """The result of one report."""
        at = _index_of(report, self.messages)
        if at is None and report.report.reference in self.unsent:
            return EventResult(report.event.id, WebhookOutcome.UNROUTED, UNSENT)
        if at is None or self.messages[at].status in NOT_SUBMITTED:
            return _wait(report)
        # A message whose outcome is not known gets the reference that named it.
        before = replace(self.messages[at], reference=report.report.reference)
        reported = report.report.status
        change = change_of(before, reported) if reported else None
        if change is not None:
            self.changed[at] = change
            self.messages[at] = replace(
                before, status=change.status, verdicts=change.verdicts, unchanged_seconds=0.0
            )
        if is_returned(self.messages[at], reported):
            self.returned.add(self.messages[at].message_id)
            return self._refund(report, at, left_seconds=0.0)
        if reported is ReportedStatus.REFUSED and is_refundable(self.messages[at]):
            left_seconds = REFUND_AFTER_SECONDS - self.messages[at].unchanged_seconds
            return self._refund(report, at, left_seconds=left_seconds)
        reason = _reason(report.report, before.status, self.messages[at].status)
        return _routed(report, before, reason)

    def _refund(self, report: ReportEvent, at: int, *, left_seconds: float) -> EventResult:
        message = self.messages[at]
        if left_seconds > 0 or message.provider_account_id not in self.accounts:
            return EventResult(
                report.event.id,
                WebhookOutcome.UNROUTED,
                WAITS_FOR_REFUND,
                due_in_seconds=max(left_seconds, FIRST_WAIT_SECONDS),
            )
        self.refunded.append(message)
        self.messages[at] = replace(message, status=MessageStatus.REJECTED)
        reason = _reason(report.report, message.status, MessageStatus.REJECTED)
        return _routed(report, message, reason)


def _is_refusal(report: ReportEvent) -> bool:
    return report.report.status in (ReportedStatus.REFUSED, ReportedStatus.RETURNED)


def _verdicts_of(message: ReportedMessage) -> Verdicts:
    """All verdicts on a message. Without a refusal, they follow from its status."""
    if message.verdicts:
        return message.verdicts
    return VERDICTS_SHOWN.get(message.status, Verdicts.NONE)


def _change_of_refused(message: ReportedMessage, verdicts: Verdicts) -> ReportedChange | None:
    delivered = Verdicts.DELIVERED in verdicts
    if delivered and not message.is_long:
        change = ReportedChange(message, MessageStatus.DELIVERED, verdicts, None)
    else:
        failure = _failure(verdicts, is_long=message.is_long)
        change = ReportedChange(message, MessageStatus.UNDELIVERED, verdicts, failure)
    is_new = (change.status, verdicts) != (message.status, message.verdicts)
    return change if is_new else None


def _failure(verdicts: Verdicts, *, is_long: bool) -> str:
    if is_long:
        return DELIVERED_IN_PART if Verdicts.DELIVERED in verdicts else REFUSED_IN_PART
    return REFUSED if verdicts == Verdicts.REFUSED else UNDELIVERED


def _routed(report: ReportEvent, message: ReportedMessage, reason: str) -> EventResult:
    return EventResult(report.event.id, WebhookOutcome.ROUTED, reason, client_id=message.client_id)


def _index_of(report: ReportEvent, messages: Sequence[ReportedMessage]) -> int | None:
    """The index of the report's message, None if none or more than one matches."""
    matches = [
        at
        for at, each in enumerate(messages)
        if each.provider == report.event.provider
        and report.event.provider_account_id in (None, each.provider_account_id)
        and not {each.reference, each.message_id.hex}.isdisjoint(_names(report.report))
        and (report.numbers is None or each.number in report.numbers)
    ]
    return matches[0] if len(matches) == 1 else None


def _names(report: DeliveryReport) -> tuple[str | None, ...]:
    return report.reference, report.attempt


def _wait(report: ReportEvent) -> EventResult:
    event = report.event
    if event.age_seconds > GIVE_UP_SECONDS:
        return EventResult(event.id, WebhookOutcome.UNROUTED, UNKNOWN_MESSAGE)
    seconds = backoff_seconds(
        event.tries + 1, first_seconds=FIRST_WAIT_SECONDS, longest_seconds=LONGEST_WAIT_SECONDS
    )
    return EventResult(event.id, WebhookOutcome.UNROUTED, WAITS_FOR_MESSAGE, due_in_seconds=seconds)


def _reason(report: DeliveryReport, before: MessageStatus, after: MessageStatus) -> str:
    if report.status is None:
        return f"A delivery report with an unknown status: {report.word!r}."
    if after is before:
        return f"A delivery report ({report.word!r}) that changes nothing: {before.value}."
    return f"A delivery report ({report.word!r}): {before.value} to {after.value}."
