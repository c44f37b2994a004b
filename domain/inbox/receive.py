"""Receives stored events: parses and routes them, and writes messages to their clients' inboxes.

One transaction receives many events. It locks each event and marks it as received in the same
commit, so an event is received once. If the transaction fails, the next one starts again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from domain import ids
from domain.ids import Kind
from domain.inbox.capture import capture_contacts
from domain.inbox.inbound import WAITS_FOR_CAPTURE, Receiver, receive_inbound
from domain.inbox.reports import ReportEvent, apply_reports
from domain.inbox.senders import read_numbers
from domain.inbox.webhooks import (
    DeliveryReport,
    DueEvent,
    EventResult,
    Malformed,
    ReceivedMessage,
    WebhookOutcome,
)
from domain.transactions import UNAVAILABLE, Transaction

MOST_EVENTS = 200
"""Events of one transaction."""

BACKOFF_SECONDS = (1.0, 5.0, 30.0, 120.0, 300.0)
"""The waits before an event that could not be received is tried again."""

NOT_RECEIVED = "This event could not be received and will be tried again. The log says why."

_log = logging.getLogger(__name__)


async def receive_due(receiver: Receiver, *, most: int = MOST_EVENTS) -> bool:
    """Receives events that are due. True if there may be more.

    If a batch fails, its events are received one by one, so that a faulty event waits alone.
    """
    try:
        received, waits = await _receive(receiver, most)
    except UNAVAILABLE:
        raise
    except Exception as failure:  # noqa: BLE001 - receiving them singly shows which one is faulty
        _log.warning("a batch failed and is received one by one: %s", _described(failure))
        return await _receive_singly(receiver, most)
    if waits:
        await capture_contacts(receiver.store)
    return received == most


async def _receive(receiver: Receiver, most: int) -> tuple[int, bool]:
    """How many events were read, and whether some wait for sends to be captured."""
    store = receiver.store
    async with store.transaction() as tx:
        events = await store.take_due_events(tx, most)
        if not events:
            return 0, False
        later, results = await _receive_events(receiver, tx, events)
    _raise_alarm(results)
    if later:
        async with store.transaction() as tx:
            events_left = await store.take_due_events(tx, len(later), only=later)
            await _receive_events(receiver, tx, events_left)
    return len(events), any(each.reason == WAITS_FOR_CAPTURE for each in results)


async def _receive_events(
    receiver: Receiver, tx: Transaction, events: Sequence[DueEvent]
) -> tuple[list[UUID], list[EventResult]]:
    """Receives the inbound messages, or the delivery reports if there are no messages.

    Never both in one transaction: both lock queued messages, but with other locks in between, in
    another order. Returns the IDs of the reports that are left, and the results.
    """
    parsed = [(event, receiver.parse(event)) for event in events]
    reports = [(event, call) for event, call in parsed if isinstance(call, DeliveryReport)]
    calls = [(event, call) for event, call in parsed if isinstance(call, ReceivedMessage)]
    results = [
        EventResult(event.id, WebhookOutcome.INVALID, call.reason)
        for event, call in parsed
        if isinstance(call, Malformed)
    ]
    if calls:
        results += await receive_inbound(receiver, tx, calls)
    else:
        report_events = [_report_event(receiver, *each) for each in reports]
        results += await apply_reports(receiver.store, tx, report_events)
    if results:
        await receiver.store.write_results(tx, results)
    return [event.id for event, _ in reports] if calls else [], results


def _report_event(receiver: Receiver, event: DueEvent, report: DeliveryReport) -> ReportEvent:
    # A recipient that cannot be read matches no message. It must not match all messages that share
    # the reference.
    numbers = read_numbers(receiver.normaliser, report.number) if report.number else None
    return ReportEvent(event, report, numbers)


def _raise_alarm(results: Sequence[EventResult]) -> None:
    """Logs each STOP that the operator has to decide. Call it after the commit."""
    for each in results:
        if each.opt_out_pending:
            _log.error(
                "a STOP could concern several clients, and its number is blocked for all of them:"
                " assign the unrouted webhook event",
                extra={"webhook_event": ids.encode(Kind.WEBHOOK_EVENT, each.event_id)},
            )


async def _receive_singly(receiver: Receiver, most: int) -> bool:
    """Receives due events in one transaction each. Postpones those that fail."""
    for _ in range(most):
        taken: list[DueEvent] = []
        try:
            if not await _receive_one(receiver, taken):
                return False
        except UNAVAILABLE:
            raise
        except Exception as failure:
            if not taken:
                raise
            _log.error("event %s could not be received: %s", taken[0].id, _described(failure))
            seconds = BACKOFF_SECONDS[min(taken[0].tries, len(BACKOFF_SECONDS) - 1)]
            await receiver.store.put_off_event(taken[0].id, NOT_RECEIVED, due_in_seconds=seconds)
    return True


async def _receive_one(receiver: Receiver, taken: list[DueEvent]) -> bool:
    """False if no event is due. Adds the event to `taken` before it is received."""
    results: list[EventResult] = []
    async with receiver.store.transaction() as tx:
        taken += await receiver.store.take_due_events(tx, 1)
        if taken:
            _, results = await _receive_events(receiver, tx, taken)
    _raise_alarm(results)
    return bool(taken)


def _described(failure: Exception) -> str:
    """The failure without personal data: a database quotes values below the first line."""
    return f"{type(failure).__name__}: {str(failure).partition(chr(10))[0]}"
