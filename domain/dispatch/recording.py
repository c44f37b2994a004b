"""Recording: writes the outcomes of ended calls, many in one transaction, with their refunds.

Safe to repeat after a lost connection: a message that is decided, or that has another attempt, is
left as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from random import random
from uuid import UUID

from domain.dispatch.messages import (
    AttemptEnd,
    EndedCall,
    LockedMessage,
    LockedProviderAccount,
    Transition,
)
from domain.dispatch.ports import Settlements
from domain.dispatch.rules import DispatchRules, Observer, Stage
from domain.dispatch.settlement import (
    accounts_of,
    as_unknown,
    cancel_opted_out,
    expire,
    give_up,
    mark_refunded_by_reading,
    nodes_of,
    post_refunds,
    post_route_moves,
    refunds_of,
    route_moves_of,
    transition_for,
    with_costs,
)
from domain.loops import Batcher, backoff_seconds, now_seconds
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.messages import MessageStatus
from domain.transactions import UNAVAILABLE, Failures, Transaction

LARGEST_BATCH = 100
WINDOW_SECONDS = 0.001
GRACE_SECONDS = 60.0
"""How long after the lease an outcome is kept if a healthy database does not take it."""

HURRY_SECONDS = 10.0
"""How long a database that is unavailable may delay the end of this process."""

LEASE_EXPIRED = "No answer was recorded within the lease."
MOST_SWEPT = 200
MOST_GIVEN_UP = 1_000
MOST_REASONS = 3

OUTCOME_WORDS = ("ACCEPTED", "REJECTED", "NOT_SENT", "ACCOUNT_REFUSED", "UNKNOWN")
NEED_SYNC = {"ACCOUNT_REFUSED", "UNKNOWN"}
"""After these outcomes the provider's balance has to be read again."""

_log = logging.getLogger(__name__)


class Recorder:
    """Records the ended calls of one provider account. Keeps an outcome until it is recorded."""

    def __init__(
        self,
        store: Settlements,
        provider_account_id: UUID,
        *,
        rules: DispatchRules,
        observer: Observer,
    ) -> None:
        self._store = store
        self._provider_account_id = provider_account_id
        self._rules = rules
        self._observer = observer
        self._hurried_at: float | None = None
        self._batcher: Batcher[EndedCall, Exception | None] = Batcher(
            self._record, largest=LARGEST_BATCH, window_seconds=WINDOW_SECONDS
        )

    def start(self) -> None:
        """Starts. Call it at boot, not inside a request."""
        self._batcher.start()

    def hurry(self) -> None:
        """From now on, waits only HURRY_SECONDS for a database that is unavailable."""
        self._hurried_at = now_seconds()

    async def stop(self) -> None:
        """Records what was given, then ends."""
        await self._batcher.stop()

    async def record(self, ended: EndedCall) -> None:
        """Returns when the call is recorded.

        Waits for a database that is unavailable. If the database rejects the outcome for another
        reason, it is dropped after the lease, when the sweep makes the messages UNKNOWN.
        """
        began = now_seconds()
        failures = Failures(_log, "recording")
        while failure := await self._try(ended):
            failures.add(failure)
            if self._is_over(failure, began):
                failures.stop()
                _log.error("attempt %s could not be recorded", ended.attempt_id)
                return
            await asyncio.sleep(backoff_seconds(failures.count))
        failures.end()

    async def _try(self, ended: EndedCall) -> Exception | None:
        try:
            return await self._batcher.ask(ended)
        except Exception as failure:  # noqa: BLE001 - the caller decides what to do
            return failure

    def _is_over(self, failure: Exception, began: float) -> bool:
        now = now_seconds()
        if isinstance(failure, UNAVAILABLE):
            return self._hurried_at is not None and now > self._hurried_at + HURRY_SECONDS
        return now > began + self._rules.lease_seconds + GRACE_SECONDS

    async def _record(self, calls: Sequence[EndedCall]) -> list[Exception | None]:
        """None for each call; or the outage for each, so that the batcher does not split them."""
        try:
            await record_calls(
                self._store,
                self._provider_account_id,
                calls,
                rules=self._rules,
                observer=self._observer,
            )
        except UNAVAILABLE as failure:
            return [failure] * len(calls)
        return [None] * len(calls)


async def record_calls(
    store: Settlements,
    provider_account_id: UUID,
    calls: Sequence[EndedCall],
    *,
    rules: DispatchRules,
    observer: Observer,
) -> None:
    """Writes the outcomes of calls to one provider account, with the refunds that follow."""
    rejection = next((call.account_rejection for call in calls if call.account_rejection), None)
    lifts_pause = rejection is None and any(call.lifts_pause for call in calls)
    ids = [call.attempt_id for call in calls]
    async with store.transaction(keeps_plans=True) as tx:
        account = await store.lock_provider_account(
            tx, provider_account_id, for_update=rejection is not None or lifts_pause
        )
        await store.lock_attempts(tx, ids)
        messages = await _to_decide(store, tx, calls)
        transitions = _decided(account, messages, calls, rules)
        transitions = await _without_opted_out(store, tx, transitions)
        await write_settlement(store, tx, account, transitions)
        await store.end_attempts(tx, [end_of(call) for call in calls])
        if rejection is not None:
            await store.pause_provider_account(
                tx, account, rejection, first_seconds=rules.probe_first_seconds
            )
        elif lifts_pause:
            await store.resume_provider_account(tx, account)
        observer.reached(Stage.RECORDING)
    if rejection is not None and not account.paused:
        observer.paused(account.id, rejection)
    if lifts_pause and account.paused:
        observer.resumed(account.id)


async def sweep(store: Settlements, observer: Observer, *, most: int = MOST_SWEPT) -> bool:
    """Makes messages whose lease has expired UNKNOWN. True if there may be more."""
    more = [
        await _sweep_account(store, observer, each, most=most)
        for each in await store.accounts_with_expired()
    ]
    return any(more)


async def _sweep_account(
    store: Settlements, observer: Observer, provider_account_id: UUID, *, most: int
) -> bool:
    async with store.transaction() as tx:
        account = await store.lock_provider_account(tx, provider_account_id)
        ids = await store.lock_expired(tx, provider_account_id, most)
        if not ids:
            return False
        changes = [as_unknown(message) for message in await store.lock_undecided(tx, ids)]
        transitions = [each for each in changes if each]
        await write_settlement(store, tx, account, transitions)
        await store.end_attempts(tx, [AttemptEnd(each, "UNKNOWN", LEASE_EXPIRED) for each in ids])
    observer.swept(len(transitions))
    return len(ids) == most


async def give_up_overdue(
    store: Settlements, provider_account_id: UUID, *, rules: DispatchRules
) -> bool:
    """Rejects and refunds messages that the provider has not taken for too long.

    True if there may be more.
    """
    async with store.transaction() as tx:
        account = await store.lock_provider_account(tx, provider_account_id)
        if account.stopped:
            return False  # a person decides how long its messages wait
        messages = await store.lock_overdue(
            tx, provider_account_id, age_seconds=rules.give_up_seconds, most=MOST_GIVEN_UP
        )
        await write_settlement(store, tx, account, [give_up(each) for each in messages])
    return len(messages) == MOST_GIVEN_UP


async def reject_expired(store: Settlements, provider_account_id: UUID) -> bool:
    """Rejects and refunds queued messages whose validity period has ended.

    A claim does the same with those that it picks. These are not picked: their account is paused,
    or others come first. True if there may be more.
    """
    async with store.transaction() as tx:
        account = await store.lock_provider_account(tx, provider_account_id)
        messages = await store.lock_past_validity(tx, provider_account_id, MOST_GIVEN_UP)
        await write_settlement(store, tx, account, [expire(each) for each in messages])
    return len(messages) == MOST_GIVEN_UP


async def write_settlement(
    store: Settlements,
    tx: Transaction,
    account: LockedProviderAccount,
    transitions: Sequence[Transition],
    *,
    actor_id: UUID | None = None,
) -> None:
    """Writes the transitions of locked messages, their refunds, and what their routes move."""
    if not transitions:
        return
    transitions = with_costs(account, mark_refunded_by_reading(account, transitions))
    await store.write_transitions(tx, transitions)
    refunds, moves = refunds_of(account, transitions), route_moves_of(transitions)
    if refunds or moves:
        nodes = accounts_of(account, refunds) | nodes_of(account, moves)
        book = await store.lock_accounts(tx, list(nodes))
        post_refunds(book, account, refunds, actor_id=actor_id)
        post_route_moves(book, account, moves, actor_id=actor_id)
        await store.write_book(tx, book)


async def decide_unknown(
    store: Settlements,
    tx: Transaction,
    provider_account_id: UUID,
    attempt_ids: Sequence[UUID],
    outcomes: Mapping[UUID, Outcome],
    *,
    actor_id: UUID | None = None,
) -> list[Transition]:
    """Writes the late outcomes of those messages of the attempts that are still UNKNOWN."""
    account = await store.lock_provider_account(tx, provider_account_id)
    await store.lock_attempts(tx, attempt_ids)
    found = await store.lock_undecided(tx, attempt_ids, only=list(outcomes))
    decided = [
        transition_for(each, outcomes[each.id], epoch=account.epoch, rules=DispatchRules())
        for each in found
        if each.status is MessageStatus.UNKNOWN
    ]
    transitions = [each for each in decided if each]
    await write_settlement(store, tx, account, transitions, actor_id=actor_id)
    return transitions


def end_of(call: EndedCall) -> AttemptEnd:
    """How the attempt ended, as the attempt table has it: one word, and the reasons.

    The word is MIXED only if some of the outcomes require a sync.
    """
    outcomes = list(call.outcomes.values())
    words = {_word(outcome) for outcome in outcomes}
    reasons = list(dict.fromkeys(reason for reason in map(_reason, outcomes) if reason))
    is_mixed = len(words) > 1 and not words.isdisjoint(NEED_SYNC)
    return AttemptEnd(
        call.attempt_id,
        "MIXED" if is_mixed else min(words, key=OUTCOME_WORDS.index),
        " ".join(reasons[:MOST_REASONS]) or None,
    )


async def _to_decide(
    store: Settlements, tx: Transaction, calls: Sequence[EndedCall]
) -> list[LockedMessage]:
    """The undecided messages of the calls, locked, without those that became SENT at once.

    A message that was accepted and has no route moves no units, whatever its attempt and epoch.
    """
    ids = [call.attempt_id for call in calls]
    accepted: dict[UUID, str | None] = {}
    others: list[UUID] = []
    for call in calls:
        for each, outcome in call.outcomes.items():
            if isinstance(outcome, Accepted):
                accepted[each] = outcome.reference
            else:
                others.append(each)
    recorded = await store.record_accepted(tx, ids, accepted, others) if accepted else 0
    if recorded < len(accepted):
        others += accepted
    return await store.lock_undecided(tx, ids, only=others) if others else []


async def _without_opted_out(
    store: Settlements, tx: Transaction, transitions: Sequence[Transition]
) -> list[Transition]:
    """The transitions; CANCELLED instead of QUEUED if the number has opted out meanwhile."""
    queued = [each.message.id for each in transitions if each.status is MessageStatus.QUEUED]
    barred = await store.opted_out_of(tx, queued) if queued else set()
    return [
        cancel_opted_out(each.message) if each.message.id in barred else each
        for each in transitions
    ]


def _decided(
    account: LockedProviderAccount,
    messages: Sequence[LockedMessage],
    calls: Sequence[EndedCall],
    rules: DispatchRules,
) -> list[Transition]:
    outcomes: dict[UUID, tuple[Outcome, float]] = {}
    for call in calls:
        # One for each call: its messages wait equally long, and can be in one call again.
        chance = random()  # noqa: S311 - not a secret
        outcomes |= {each: (outcome, chance) for each, outcome in call.outcomes.items()}
    decided = []
    for message in messages:
        outcome, chance = outcomes[message.id]
        decided.append(
            transition_for(message, outcome, epoch=account.epoch, rules=rules, chance=chance)
        )
    return [each for each in decided if each]


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
