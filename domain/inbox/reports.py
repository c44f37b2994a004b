"""Delivery reports: what a provider says later of a message that it took.

    status         TAKEN    DELIVERED    FAILED
    UNKNOWN        SENT     DELIVERED    UNDELIVERED
    SENT                    DELIVERED    UNDELIVERED
    UNDELIVERED             DELIVERED

Anything else changes nothing. So the same reports end in the same status in whatever order and
however often they come, and none gives anything back: a provider that has a name for a message took
it, and docs/decisions/0031 says why nothing it says later can mean that it did not.

A report names the message by the provider's own id, which is known here only once the call's
answer is recorded: one that comes earlier waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.backoff import backoff_seconds
from domain.inbox.ports import Reported, Reports
from domain.inbox.webhooks import DueEvent, ReportCall, Ruling, WebhookOutcome
from domain.outcomes import Verdict
from domain.sending.sends import MessageStatus
from domain.transactions import Transaction

UNDELIVERED = "The network could not deliver this message."
UNKNOWN_MESSAGE = "A delivery report of a message that is not known here."
WAITS_FOR_MESSAGE = "A delivery report that came before its message was recorded as sent: it waits."

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 60.0
GIVE_UP_SECONDS = 900.0

BECOMES = {
    (MessageStatus.UNKNOWN, Verdict.TAKEN): MessageStatus.SENT,
    (MessageStatus.UNKNOWN, Verdict.DELIVERED): MessageStatus.DELIVERED,
    (MessageStatus.UNKNOWN, Verdict.FAILED): MessageStatus.UNDELIVERED,
    (MessageStatus.SENT, Verdict.DELIVERED): MessageStatus.DELIVERED,
    (MessageStatus.SENT, Verdict.FAILED): MessageStatus.UNDELIVERED,
    (MessageStatus.UNDELIVERED, Verdict.DELIVERED): MessageStatus.DELIVERED,
}
UNDECIDED_YET = (MessageStatus.QUEUED, MessageStatus.SUBMITTING)


@dataclass(frozen=True, slots=True)
class Telling:
    """A delivery report and the event that brought it."""

    event: DueEvent
    report: ReportCall
    age_seconds: float


def believe(status: MessageStatus, verdict: Verdict) -> MessageStatus | None:
    """What a report makes of a message; None where it changes nothing."""
    return BECOMES.get((status, verdict))


async def heed_reports(
    store: Reports, tx: Transaction, tellings: Sequence[Telling]
) -> list[Ruling]:
    """Moves the messages that reports tell of, in order. One ruling a report, same order."""
    if not tellings:
        return []
    named = [(each.event.provider, each.report) for each in tellings]
    found = await store.lock_reported(tx, named)
    changed: dict[int, tuple[Reported, MessageStatus, str | None]] = {}
    rulings = [_heed(telling, found, changed) for telling in tellings]
    if changed:
        await store.write_reported(tx, list(changed.values()))
    return rulings


def _heed(
    telling: Telling,
    found: list[Reported],
    changed: dict[int, tuple[Reported, MessageStatus, str | None]],
) -> Ruling:
    """The ruling on one report; what it changes is noted in the last two."""
    at = _place_of(telling, found)
    if at is None or found[at].status in UNDECIDED_YET:
        return _wait(telling)
    message, verdict = found[at], telling.report.verdict
    status = believe(message.status, verdict) if verdict else None
    if status is not None:
        failure = UNDELIVERED if status is MessageStatus.UNDELIVERED else None
        found[at] = replace(message, status=status)
        changed[at] = (message, status, failure)
    reason = _reason(telling.report, message.status, status)
    return Ruling(telling.event.id, WebhookOutcome.ROUTED, reason, client_id=message.client_id)


def _place_of(telling: Telling, found: Sequence[Reported]) -> int | None:
    """Where the message of a report stands; None where none, or more than one, fits."""
    report = telling.report
    places = [
        at
        for at, each in enumerate(found)
        if each.provider == telling.event.provider
        and each.reference == report.reference
        and report.number in (None, each.number)
    ]
    return places[0] if len(places) == 1 else None


def _wait(telling: Telling) -> Ruling:
    event = telling.event
    if telling.age_seconds > GIVE_UP_SECONDS:
        return Ruling(event.id, WebhookOutcome.UNROUTED, UNKNOWN_MESSAGE)
    seconds = backoff_seconds(
        event.tries + 1, first_seconds=FIRST_WAIT_SECONDS, longest_seconds=LONGEST_WAIT_SECONDS
    )
    return Ruling(event.id, WebhookOutcome.UNROUTED, WAITS_FOR_MESSAGE, due_in_seconds=seconds)


def _reason(report: ReportCall, before: MessageStatus, after: MessageStatus | None) -> str:
    if report.verdict is None:
        return f"A delivery report with a word that is not known here: {report.word!r}."
    if after is None:
        return f"A delivery report ({report.word!r}) that changes nothing: {before.value}."
    return f"A delivery report ({report.word!r}): {before.value} to {after.value}."
