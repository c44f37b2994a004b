"""Receiving: what a provider brought is read, routed, and in the right inbox, all at once.

Many events in one transaction: whose each is, its number in that client's feed, the message, the
contact, the conversation, the line that the client is seen on, and what it asks for (STOP, START).
An event is received once: it is locked while it is, and marked by the same commit. What ends in
between is begun again by whoever comes next.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from domain.dispatch.ports import Captures
from domain.errors import InvalidPhoneNumber
from domain.inbox.arrivals import Arrival
from domain.inbox.capture import capture_contacts
from domain.inbox.keywords import Keywords
from domain.inbox.opt_out import heed_wishes
from domain.inbox.ports import Inboxes
from domain.inbox.reports import Telling, heed_reports
from domain.inbox.routing import NotYet, Routed, Signposts, Unrouted, route
from domain.inbox.webhooks import (
    DueEvent,
    InboundCall,
    Malformed,
    Parsed,
    Parsers,
    ReportCall,
    Ruling,
    WebhookOutcome,
)
from domain.loops import AWAY
from domain.numbers import Normaliser
from domain.transactions import Transaction

MOST_EVENTS = 200
"""Of one transaction."""

WAIT_SECONDS = 0.2
"""Before an event is looked at again whose writers are not all known yet."""

BACKOFF_SECONDS = (1.0, 5.0, 30.0, 120.0, 300.0)
"""Before an event is tried again that could not be received."""

NO_NUMBER = "The sender is not a phone number."
WAITS_FOR_WRITERS = "Waits a moment, until all that was sent before it is known by number."
CANNOT = "This could not be received, and will be tried again: the log says why."

_log = logging.getLogger(__name__)


class ReceivingStore(Inboxes, Captures, Protocol):
    """All that receiving needs: `persistence.store` fills it."""


@dataclass(frozen=True, slots=True)
class Reception:
    """Who receives, and by which rules."""

    store: ReceivingStore
    parsers: Parsers
    normaliser: Normaliser
    keywords: Keywords = field(default_factory=Keywords)

    def parse(self, event: DueEvent) -> Parsed:
        """What an event says; its numbers as given."""
        parser = self.parsers.get(event.provider)
        return (
            Malformed("No such provider is known here.") if parser is None else parser(event.body)
        )

    def number_of(self, given: str | None) -> str | None:
        """E.164, None for what is no phone number."""
        try:
            return self.normaliser.normalise(given or "")
        except InvalidPhoneNumber:
            return None

    def arrival(self, event: DueEvent, call: InboundCall, number: str, client_id: UUID) -> Arrival:
        """The message of an event that has found its client."""
        return Arrival(
            id=event.id,
            client_id=client_id,
            number=number,
            text=call.text,
            created_at=event.received_at,
            receiver=self.number_of(call.receiver) or call.receiver,
            line=call.line,
            name=call.name,
            business=call.business,
            wish=self.keywords.wish(call.text),
            blocked=call.blocked,
        )


async def receive_due(reception: Reception, *, most: int = MOST_EVENTS) -> bool:
    """Receives the events that are due. True where there may be more.

    What cannot be received together is received one by one, so that a poisoned event waits alone.
    """
    try:
        received, waits = await _receive(reception, most)
    except AWAY:
        raise
    except Exception as failure:  # noqa: BLE001 - whose fault it is shows when each is alone
        _log.warning("received one by one, for together they failed: %s", _told(failure))
        return await _receive_singly(reception, most)
    if waits:
        await capture_contacts(reception.store)
    return received == most


async def deliver(store: Inboxes, tx: Transaction, arrivals: Sequence[Arrival]) -> None:
    """The messages are in their clients' inboxes, and what they ask for is heeded."""
    if not arrivals:
        return
    counts = Counter(arrival.client_id for arrival in arrivals)
    next_number = await store.take_feed_numbers(tx, counts)
    numbered: list[tuple[Arrival, int]] = []
    for arrival in arrivals:
        numbered.append((arrival, next_number[arrival.client_id]))
        next_number[arrival.client_id] += 1
    await store.write_arrivals(tx, numbered)
    await heed_wishes(store, tx, arrivals)


async def _receive(reception: Reception, most: int) -> tuple[int, bool]:
    """How many events were looked at, and whether some wait for what is not captured yet."""
    store = reception.store
    async with store.transaction() as tx:
        events = await store.take_due_events(tx, most)
        if not events:
            return 0, False
        later, waits = await _rule(reception, tx, events)
    if later:
        async with store.transaction() as tx:
            await _rule(reception, tx, await store.take_due_events(tx, len(later), only=later))
    return len(events), waits


async def _rule(
    reception: Reception, tx: Transaction, events: Sequence[DueEvent]
) -> tuple[list[UUID], bool]:
    """Receives messages, or else reports: ids of the reports that are left, and whether some wait.

    Never both in one transaction: a message in a queue is locked by either, and what is locked
    besides is locked in another order.
    """
    parsed = [(event, reception.parse(event)) for event in events]
    tellings = [_telling(reception, event, said) for event, said in parsed if _is_report(said)]
    rulings = [
        Ruling(event.id, WebhookOutcome.INVALID, said.reason)
        for event, said in parsed
        if isinstance(said, Malformed)
    ]
    calls = [(event, said) for event, said in parsed if isinstance(said, InboundCall)]
    if calls:
        ruled, arrivals = await _route_all(reception, tx, calls)
        await deliver(reception.store, tx, arrivals)
    else:
        ruled = await heed_reports(reception.store, tx, tellings)
    rulings += ruled
    if rulings:
        await reception.store.write_rulings(tx, rulings)
    later = [telling.event.id for telling in tellings] if calls else []
    return later, any(each.reason == WAITS_FOR_WRITERS for each in rulings)


def _is_report(said: Parsed) -> bool:
    return isinstance(said, ReportCall)


def _telling(reception: Reception, event: DueEvent, said: Parsed) -> Telling:
    assert isinstance(said, ReportCall)
    # What is no number is no message's: it must not match all that share the reference.
    number = (reception.number_of(said.number) or said.number) if said.number else None
    report = ReportCall(said.reference, said.word, said.verdict, number)
    age_seconds = (datetime.now(UTC) - event.received_at).total_seconds()
    return Telling(event, report, age_seconds)


async def _route_all(
    reception: Reception, tx: Transaction, calls: Sequence[tuple[DueEvent, InboundCall]]
) -> tuple[list[Ruling], list[Arrival]]:
    """What becomes of each, in order: the first may be what the second is routed by."""
    senders = {event.id: reception.number_of(call.sender) for event, call in calls}
    receivers = {event.id: reception.number_of(call.receiver) for event, call in calls}
    # Before the signposts: what is captured in between stands in them, the other way round not.
    captured_until = await reception.store.captured_until(tx)
    signposts = await reception.store.read_signposts(
        tx,
        senders={each for each in senders.values() if each},
        receivers={each for each in receivers.values() if each},
        lines={call.line for _, call in calls if call.line},
    )
    rulings: list[Ruling] = []
    arrivals: list[Arrival] = []
    for event, call in calls:
        sender = senders[event.id]
        if sender is None:
            rulings.append(Ruling(event.id, WebhookOutcome.UNROUTED, NO_NUMBER, line=call.line))
            continue
        complete = captured_until is None or event.received_at < captured_until
        ruling = _route_one(signposts, event, call, sender, receivers[event.id], complete=complete)
        rulings.append(ruling)
        if ruling.client_id is not None:
            arrivals.append(reception.arrival(event, call, sender, ruling.client_id))
    return rulings, arrivals


def _route_one(
    signposts: Signposts,
    event: DueEvent,
    call: InboundCall,
    sender: str,
    receiver: str | None,
    *,
    complete: bool,
) -> Ruling:
    traces = signposts.traces(sender=sender, receiver=receiver, line=call.line, complete=complete)
    match route(traces):
        case Routed(client_id, reason):
            signposts.learn(sender=sender, line=call.line, client_id=client_id)
            return routed(event.id, call, client_id, reason)
        case Unrouted(reason):
            return Ruling(event.id, WebhookOutcome.UNROUTED, reason, line=call.line)
        case NotYet():
            return Ruling(
                event.id,
                WebhookOutcome.UNROUTED,
                WAITS_FOR_WRITERS,
                line=call.line,
                due_in_seconds=WAIT_SECONDS,
            )


def routed(event_id: UUID, call: InboundCall, client_id: UUID, reason: str) -> Ruling:
    """The ruling on a message that has found its client."""
    return Ruling(
        event_id,
        WebhookOutcome.ROUTED,
        reason,
        client_id=client_id,
        inbound_id=event_id,
        line=call.line,
    )


async def _receive_singly(reception: Reception, most: int) -> bool:
    """Receives what is due, each in a transaction of its own; what fails is put off."""
    for _ in range(most):
        taken: list[DueEvent] = []
        try:
            if not await _receive_one(reception, taken):
                return False
        except AWAY:
            raise
        except Exception as failure:
            if not taken:
                raise
            _log.error("event %s could not be received: %s", taken[0].id, _told(failure))
            seconds = BACKOFF_SECONDS[min(taken[0].tries, len(BACKOFF_SECONDS) - 1)]
            await reception.store.put_off_event(taken[0].id, CANNOT, due_in_seconds=seconds)
    return True


async def _receive_one(reception: Reception, taken: list[DueEvent]) -> bool:
    """False where nothing is due. What is being received stands in `taken`."""
    async with reception.store.transaction() as tx:
        taken += await reception.store.take_due_events(tx, 1)
        if taken:
            await _rule(reception, tx, taken)
    return bool(taken)


def _told(failure: Exception) -> str:
    """What went wrong, without what the message says: a database quotes it below the first line."""
    return f"{type(failure).__name__}: {str(failure).partition(chr(10))[0]}"
