"""Recording: what came of calls, many of them in one transaction.

Safe to repeat after a lost connection: a message that an attempt decides no more is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import random
from uuid import UUID

from domain.dispatch.handover import Handover
from domain.dispatch.observing import Observer, Stage
from domain.dispatch.ports import Ending, Settlements
from domain.dispatch.settlement import (
    Standing,
    Step,
    Upstream,
    decide,
    doubt,
    give_up,
    given_back_by_reading,
    nodes_of,
    post_refunds,
    refunds_of,
    withdraw,
)
from domain.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.sends import MessageStatus
from domain.transactions import Transaction

LEASE_PASSED = "No answer was recorded within the lease."
MOST_SWEPT = 200
MOST_GIVEN_UP = 1_000
MOST_REASONS = 3

WORDS = ("ACCEPTED", "REJECTED", "NOT_SENT", "ACCOUNT_REFUSED", "UNKNOWN")
DOUBTFUL = {"ACCOUNT_REFUSED", "UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has ended: one outcome a message. `is_probe`: it tried a paused account."""

    attempt_id: UUID
    outcomes: Mapping[UUID, Outcome]
    is_probe: bool = False

    @property
    def account_refusal(self) -> str | None:
        """Why the provider refuses the account itself; None where it does not."""
        for outcome in self.outcomes.values():
            if isinstance(outcome, NotSent) and outcome.refuses_account:
                return outcome.reason
        return None

    @property
    def lifts_pause(self) -> bool:
        """Whether it proves that the account is handed over to again."""
        return self.is_probe and any(
            isinstance(outcome, Accepted | Rejected) for outcome in self.outcomes.values()
        )


async def record(
    store: Settlements,
    provider_account_id: UUID,
    calls: Sequence[Ended],
    *,
    rules: Handover,
    observer: Observer,
) -> None:
    """Writes what came of calls to one provider account, with the refunds that follow."""
    refusal = next((call.account_refusal for call in calls if call.account_refusal), None)
    lifts_pause = refusal is None and any(call.lifts_pause for call in calls)
    ids = [call.attempt_id for call in calls]
    async with store.transaction() as tx:
        # Who is going to change the row never shares it first: two sharers would wait in a circle.
        changes = refusal is not None or lifts_pause
        upstream = await store.lock_upstream(tx, provider_account_id, alone=changes)
        await store.lock_attempts(tx, ids)
        standings = await store.lock_undecided(tx, ids)
        steps = _decided(upstream, standings, calls, rules)
        await write_settlement(store, tx, upstream, await _heeding(store, tx, steps))
        await store.end_attempts(tx, [ending_of(call) for call in calls])
        if refusal is not None:
            await store.pause_upstream(
                tx, upstream, refusal, first_seconds=rules.probe_first_seconds
            )
        elif lifts_pause:
            await store.resume_upstream(tx, upstream)
        observer.reached(Stage.RECORDING)
    if refusal is not None and not upstream.paused:
        observer.paused(upstream.id, refusal)
    if lifts_pause and upstream.paused:
        observer.resumed(upstream.id)


async def sweep(store: Settlements, observer: Observer, *, most: int = MOST_SWEPT) -> bool:
    """Messages whose lease has passed are UNKNOWN. True where there may be more of them."""
    async with store.transaction() as tx:
        ids = await store.take_expired(tx, most)
        if not ids:
            return False
        steps = [doubt(standing) for standing in await store.lock_undecided(tx, ids)]
        doubts = [step for step in steps if step]
        if doubts:
            await store.write_steps(tx, doubts)
        await store.end_attempts(tx, [Ending(each, "UNKNOWN", LEASE_PASSED) for each in ids])
    observer.swept(len(doubts))
    return len(ids) == most


async def give_up_overdue(
    store: Settlements, provider_account_id: UUID, *, rules: Handover, most: int = MOST_GIVEN_UP
) -> bool:
    """What has waited too long for a network that takes nothing is REJECTED and refunded.

    True where there may be more of it.
    """
    async with store.transaction() as tx:
        upstream = await store.lock_upstream(tx, provider_account_id)
        standings = await store.take_overdue(
            tx, provider_account_id, age_seconds=rules.give_up_seconds, most=most
        )
        await write_settlement(store, tx, upstream, [give_up(each) for each in standings])
    return len(standings) == most


async def write_settlement(
    store: Settlements,
    tx: Transaction,
    upstream: Upstream,
    steps: Sequence[Step],
    *,
    actor_id: UUID | None = None,
) -> None:
    """Writes steps over messages under lock, and gives back what they give back."""
    if not steps:
        return
    told = given_back_by_reading(upstream, steps)
    await store.write_steps(tx, told)
    refunds = refunds_of(upstream, told)
    if refunds:
        book = await store.lock_accounts(tx, list(nodes_of(upstream, refunds)))
        post_refunds(book, upstream, refunds, actor_id=actor_id)
        await store.write_book(tx, book)


def ending_of(call: Ended) -> Ending:
    """How an attempt ended, as it is kept: one word, and the reasons that were given.

    MIXED is said only where some of it leaves a doubt: it asks for a new reading.
    """
    outcomes = list(call.outcomes.values())
    words = {_word(outcome) for outcome in outcomes}
    reasons = list(dict.fromkeys(reason for reason in map(_reason, outcomes) if reason))
    mixed = len(words) > 1 and not words.isdisjoint(DOUBTFUL)
    return Ending(
        call.attempt_id,
        "MIXED" if mixed else min(words, key=WORDS.index),
        " ".join(reasons[:MOST_REASONS]) or None,
    )


async def _heeding(store: Settlements, tx: Transaction, steps: Sequence[Step]) -> list[Step]:
    """The same steps; whoever opted out while being called for is not called for again."""
    waiting = [step.standing.message_id for step in steps if step.status is MessageStatus.QUEUED]
    barred = await store.opted_out_of(tx, waiting) if waiting else set()
    return [withdraw(step) if step.standing.message_id in barred else step for step in steps]


def _word(outcome: Outcome) -> str:
    match outcome:
        case Accepted():
            return "ACCEPTED"
        case Rejected():
            return "REJECTED"
        case NotSent():
            return "ACCOUNT_REFUSED" if outcome.refuses_account else "NOT_SENT"
        case Unknown():
            return "UNKNOWN"


def _reason(outcome: Outcome) -> str | None:
    match outcome:
        case Rejected(failure):
            return failure
        case NotSent(reason) | Unknown(reason):
            return reason
    return None


def _decided(
    upstream: Upstream, standings: Sequence[Standing], calls: Sequence[Ended], rules: Handover
) -> list[Step]:
    answers: dict[UUID, tuple[Outcome, float]] = {}
    for call in calls:
        # One a call: what left together waits equally long, and can leave together again.
        chance = random()  # noqa: S311 - keeps no secret
        answers |= {each: (outcome, chance) for each, outcome in call.outcomes.items()}
    steps = []
    for standing in standings:
        outcome, chance = answers[standing.message_id]
        steps.append(decide(standing, outcome, epoch=upstream.epoch, rules=rules, chance=chance))
    return [step for step in steps if step]
