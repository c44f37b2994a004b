"""Claiming: picks due messages and marks them in one short transaction, before any byte is sent.

After the commit the messages are SUBMITTING under an attempt that carries the account's epoch and
a lease. Only then may their calls start. There is no state between claimed and marked that could
expire: docs/decisions/0001.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil, inf
from operator import attrgetter
from uuid import UUID

from domain.dispatch.fairness import ANY_NUMBER, BULK, Reached, Round, Turns, group, share_out
from domain.dispatch.messages import (
    Call,
    LockedProviderAccount,
    Queued,
    QueuePosition,
    Quota,
    Waiting,
)
from domain.dispatch.ports import Queue
from domain.dispatch.recording import write_settlement
from domain.dispatch.rules import DispatchRules, Observer, Stage
from domain.dispatch.settlement import cancel_opted_out, expire
from domain.ids import new_id
from domain.loops import now_seconds
from domain.transactions import Disconnected, Transaction

READING_PAUSE_SECONDS = 0.05
PAUSED_PAUSE_SECONDS = 0.5


class MarkLost(Disconnected):
    """The database became unavailable during a mark: it may or may not have been committed.

    No byte of these calls was sent, and none will be.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls


@dataclass(frozen=True, slots=True)
class ClaimContext:
    """Which dispatcher claims, for which provider account, and by which rules."""

    store: Queue
    observer: Observer
    rules: DispatchRules
    provider_account_id: UUID
    dispatcher_id: UUID

    def rate_of(self, account: LockedProviderAccount) -> float | None:
        """The rate limit in messages a second, or None."""
        return account.rate_per_second or self.rules.messages_per_second


@dataclass(frozen=True, slots=True)
class Claimed:
    """Calls that are marked and must start at once.

    `marked_at`: by `now_seconds`, not later than the start of the lease. `more`: messages were
    picked that are not submitted, so there may be more to claim. `wait_seconds`: until the next
    claim can find something. `probe_due`: nothing was claimed, but a probe can be. `refused`: the
    provider refuses the account, and no probe is due. `reached`: where the next claim may begin,
    for each tenant that was picked from.
    """

    calls: Sequence[Call] = ()
    marked_at: float = 0.0
    wait_seconds: float = 0.0
    probe_due: bool = False
    refused: bool = False
    is_probe: bool = False
    reached: Reached = field(default_factory=dict)
    more: bool = False


@dataclass(slots=True)
class _Picking:
    """What is picked so far in one transaction, and how much more may be.

    `batch`: messages that fit into one bulk call. `messages_left`: by the rate limit.
    """

    turns: Turns
    waiting: Sequence[Waiting]
    batch: int
    open_calls: Counter[int]
    calls_left: float
    messages_left: int = ANY_NUMBER
    bulk_left: int = ANY_NUMBER
    calls: list[Call] = field(default_factory=list)
    quotas: list[Quota] = field(default_factory=list)
    found: list[Queued] = field(default_factory=list)
    """All messages that were picked. Those that do not fit into calls stay in the queue."""
    opted_out: list[UUID] = field(default_factory=list)
    """Messages that are cancelled instead, because their number has opted out."""
    expired: list[UUID] = field(default_factory=list)
    """Messages that are rejected instead, because their validity period has ended."""
    held: dict[UUID, datetime] = field(default_factory=dict)
    """Messages that are held until these times instead, during quiet hours of their recipients."""

    def most_calls(self, round_: Round) -> int:
        """How many more calls of the round's priority may be opened."""
        free = min(self.turns.free_slots(round_.priority, self.open_calls), round_.most_calls)
        return int(min(free, self.calls_left))

    def most_messages(self, round_: Round) -> int:
        """How many more messages of the round's priority may be marked."""
        is_bulk = round_.priority == BULK
        return min(self.messages_left, self.bulk_left) if is_bulk else self.messages_left

    def sort(self, found: Sequence[Queued]) -> list[Queued]:
        """Those of the messages that may be submitted, in order. Notes the others."""
        picked = []
        for each in found:
            if each.opted_out:
                self.opted_out.append(each.id)
            elif each.expired:
                self.expired.append(each.id)
            elif (until := each.held_until) is not None:
                self.held[each.id] = until
            else:
                picked.append(each)
        return picked

    def add(self, call: Call) -> None:
        """Adds a call that will be marked."""
        self.calls.append(call)
        self.calls_left -= 1
        self.open_calls[call.priority] += 1
        self.messages_left -= len(call.messages)

    def reached(self) -> Reached:
        """For each tenant, the position of the first picked message that stays in the queue.

        If none stays: the position of the last one, or None if there was no more to pick.
        """
        leaving = {each.id for call in self.calls for each in call.messages}
        leaving.update(self.opted_out, self.expired, self.held)
        by_tenant: dict[tuple[int, UUID], list[Queued]] = defaultdict(list)
        for message in self.found:
            by_tenant[message.priority, message.client_id].append(message)
        reached: dict[tuple[int, UUID], QueuePosition | None] = {}
        for quota in self.quotas:
            key = (quota.priority, quota.client_id)
            staying = next((each for each in by_tenant[key] if each.id not in leaving), None)
            if staying is not None:
                reached[key] = staying.position
            elif len(by_tenant[key]) < quota.messages:
                reached[key] = None
            else:
                reached[key] = by_tenant[key][-1].position
        return reached


async def claim(
    context: ClaimContext,
    turns: Turns,
    waiting: Sequence[Waiting],
    *,
    batch: int,
    open_calls: Counter[int],
    most_calls: float = inf,
    most_bulk: int = ANY_NUMBER,
) -> Claimed:
    """Marks as many calls as may be opened, in fair order.

    `waiting`: tenants in the order of their turn. `batch`: messages that fit into one bulk call.
    `open_calls`: by priority. `most_bulk`: bulk messages that may be marked.
    """
    picking = _Picking(turns, waiting, batch, Counter(open_calls), most_calls, bulk_left=most_bulk)
    async with _marking(context, picking) as tx:
        account = await context.store.lock_provider_account(tx, context.provider_account_id)
        if account.is_read:
            return Claimed(wait_seconds=READING_PAUSE_SECONDS)
        if account.stopped:
            return Claimed(wait_seconds=PAUSED_PAUSE_SECONDS)
        if account.paused:
            return Claimed(
                wait_seconds=PAUSED_PAUSE_SECONDS,
                probe_due=account.probe_due,
                refused=not account.probe_due,
            )
        claimed = await _claim(context, tx, account, picking)
    _note_served(turns, claimed, waiting)
    return replace(claimed, reached=picking.reached())


async def claim_probe(context: ClaimContext, turns: Turns, waiting: Sequence[Waiting]) -> Claimed:
    """Marks one message of a paused account, to find out whether the account works again.

    The first dispatcher that claims postpones the next probe, so that there is one at a time.
    """
    picking = _Picking(turns, waiting, 1, Counter(), 1, messages_left=1)
    async with _marking(context, picking) as tx:
        account = await context.store.lock_provider_account(
            tx, context.provider_account_id, for_update=True
        )
        if account.is_read or account.stopped or not account.probe_due:
            return Claimed(wait_seconds=READING_PAUSE_SECONDS)
        claimed = await _claim(context, tx, account, picking)
        if claimed.calls:
            await context.store.postpone_probe(
                tx,
                account.id,
                first_seconds=context.rules.probe_first_seconds,
                longest_seconds=context.rules.probe_longest_seconds,
            )
    _note_served(turns, claimed, waiting)
    return replace(claimed, is_probe=True)


@asynccontextmanager
async def _marking(context: ClaimContext, picking: _Picking) -> AsyncIterator[Transaction]:
    """A transaction. Raises MarkLost with what was picked if the connection is lost."""
    try:
        async with context.store.transaction(keeps_plans=True) as tx:
            yield tx
    except Disconnected as lost:
        raise MarkLost(picking.calls) from lost


async def _claim(
    context: ClaimContext, tx: Transaction, account: LockedProviderAccount, picking: _Picking
) -> Claimed:
    rate = context.rate_of(account)
    if rate is not None:
        allowance = await context.store.lock_rate(tx, account.id, rate)
        if allowance.messages == 0:
            return Claimed(wait_seconds=allowance.wait_seconds)
        picking.messages_left = min(allowance.messages, picking.messages_left)
    for round_ in picking.turns.rounds(picking.waiting):
        await _pick(context, tx, picking, round_)
    claimed = Claimed()
    if picking.calls:
        context.observer.reached(Stage.PICKED)
        claimed = await _mark(context, tx, account, picking.calls)
    if picking.held:
        await context.store.hold_messages(tx, picking.held)
    ended = picking.opted_out + picking.expired
    if ended:
        # After the marks: all code locks its messages before it locks accounts of the ledger.
        messages = await context.store.lock_queued(tx, ended)
        transitions = [
            expire(each) if each.id in picking.expired else cancel_opted_out(each)
            for each in messages
        ]
        await write_settlement(context.store, tx, account, transitions)
    return replace(claimed, more=bool(ended or picking.held))


async def _pick(context: ClaimContext, tx: Transaction, picking: _Picking, round_: Round) -> None:
    most_calls, most_messages = picking.most_calls(round_), picking.most_messages(round_)
    if most_calls == 0 or most_messages == 0:
        return
    batch = min(picking.batch, most_messages) if round_.priority == BULK else 1
    tenants = [each for each in picking.waiting if each.priority == round_.priority]
    # Picking locks messages. So this picks no more than may be marked in full calls.
    full_calls = min(most_calls, ceil(most_messages / batch))
    quotas = share_out(tenants, most_calls=full_calls, batch=batch)
    found = await context.store.pick_messages(tx, context.provider_account_id, quotas)
    picking.quotas += quotas
    picking.found += found
    picked = picking.sort(found)
    for messages in group(picked, batch=batch, most_calls=most_calls, most_messages=most_messages):
        # Tried again, they are due in another order than their IDs.
        picking.add(Call(new_id(), sorted(messages, key=attrgetter("id.int"))))


async def _mark(
    context: ClaimContext, tx: Transaction, account: LockedProviderAccount, calls: Sequence[Call]
) -> Claimed:
    marked_at = now_seconds()
    await context.store.mark_calls(
        tx,
        account,
        calls,
        dispatcher_id=context.dispatcher_id,
        lease_seconds=context.rules.lease_seconds,
    )
    rate = context.rate_of(account)
    if rate is not None:
        messages = sum(len(call.messages) for call in calls)
        await context.store.count_against_rate(tx, account.id, rate, messages)
    return Claimed(calls, marked_at)


def _note_served(turns: Turns, claimed: Claimed, waiting: Sequence[Waiting]) -> None:
    """Call this after the commit: a claim that was rolled back has served no tenant."""
    turns.served([Waiting(each.priority, each.client_id) for each in claimed.calls], waiting)
