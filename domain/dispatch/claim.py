"""Claiming: picks messages and marks them, in one short transaction before any byte leaves.

There is no state between claimed and marked that could expire: docs/decisions/0001 says why. Once
it is committed the messages are SUBMITTING, each under an attempt that carries the account's epoch
and a lease; the calls start only then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from uuid import UUID

from domain.clock import now_seconds
from domain.dispatch.calls import Call, group
from domain.dispatch.fairness import BULK, Round, Turns, Waiting, share_out
from domain.dispatch.handover import Handover
from domain.dispatch.observing import Observer, Stage
from domain.dispatch.ports import Queue
from domain.dispatch.settlement import Upstream
from domain.ids import new_id
from domain.transactions import Disconnected, Transaction

READING_PAUSE_SECONDS = 0.05
PAUSED_PAUSE_SECONDS = 0.5
ANY_NUMBER = 2**31 - 1


class MarkLost(Disconnected):
    """The database went away under a mark: whether it was kept is not known.

    No byte of these calls has left, and none will.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls


@dataclass(frozen=True, slots=True)
class Desk:
    """Who claims, for which provider account, and by which rules."""

    store: Queue
    observer: Observer
    rules: Handover
    provider_account_id: UUID
    dispatcher_id: UUID


@dataclass(frozen=True, slots=True)
class Claimed:
    """Calls that are marked and are to start at once.

    `marked_at`: on the clock of `domain.clock`, not later than the lease began. `wait_seconds`:
    before it makes sense to claim again. `probe_due`: nothing was claimed, but a probe may be.
    """

    calls: Sequence[Call] = ()
    marked_at: float = 0.0
    wait_seconds: float = 0.0
    probe_due: bool = False
    is_probe: bool = False


@dataclass(slots=True)
class _Picking:
    """What is picked so far in one transaction, and how much more may be.

    `batch`: messages that fit into one call.
    """

    turns: Turns
    waiting: Sequence[Waiting]
    batch: int
    open_calls: Counter[int]
    calls_left: float
    messages_left: int = ANY_NUMBER
    bulk_left: int = ANY_NUMBER
    calls: list[Call] = field(default_factory=list)

    def room(self, round_: Round) -> int:
        """How many more calls of the round's priority fit."""
        room = min(self.turns.room(round_.priority, self.open_calls), round_.most_calls)
        return int(min(room, self.calls_left))

    def add(self, call: Call) -> None:
        """The call is going to be marked."""
        self.calls.append(call)
        self.calls_left -= 1
        self.open_calls[call.priority] += 1
        self.messages_left -= len(call.messages)


async def claim(
    desk: Desk,
    turns: Turns,
    waiting: Sequence[Waiting],
    *,
    batch: int,
    open_calls: Counter[int],
    most_calls: float = inf,
    most_bulk: int = ANY_NUMBER,
) -> Claimed:
    """Marks as many calls as there is room for, in fair order.

    `waiting`: tenants in the order of their turn. `batch`: messages that fit into one call.
    `open_calls`: by priority. `most_bulk`: bulk messages that may be marked.
    """
    picking = _Picking(turns, waiting, batch, Counter(open_calls), most_calls, bulk_left=most_bulk)
    async with _marking(desk, picking) as tx:
        upstream = await desk.store.lock_upstream(tx, desk.provider_account_id)
        if upstream.reading:
            return Claimed(wait_seconds=READING_PAUSE_SECONDS)
        if upstream.paused:
            return Claimed(wait_seconds=PAUSED_PAUSE_SECONDS, probe_due=upstream.probe_due)
        claimed = await _claim(desk, tx, upstream, picking)
    turns.served([Waiting(each.priority, each.client_id) for each in claimed.calls], waiting)
    return claimed


async def claim_probe(desk: Desk, turns: Turns, waiting: Sequence[Waiting]) -> Claimed:
    """Marks one message of a paused account, to find out whether it is refused still.

    Whoever comes first puts the next probe off, so that there is one at a time.
    """
    picking = _Picking(turns, waiting, 1, Counter(), calls_left=1, messages_left=1)
    async with _marking(desk, picking) as tx:
        upstream = await desk.store.lock_upstream(tx, desk.provider_account_id, alone=True)
        if upstream.reading or not upstream.probe_due:
            return Claimed(wait_seconds=READING_PAUSE_SECONDS)
        claimed = await _claim(desk, tx, upstream, picking)
        if claimed.calls:
            await desk.store.put_off_probe(
                tx,
                upstream.id,
                first_seconds=desk.rules.probe_first_seconds,
                longest=desk.rules.probe_longest_seconds,
            )
    turns.served([Waiting(each.priority, each.client_id) for each in claimed.calls], waiting)
    return Claimed(claimed.calls, claimed.marked_at, is_probe=True)


@asynccontextmanager
async def _marking(desk: Desk, picking: _Picking) -> AsyncIterator[Transaction]:
    """A transaction; where it is lost, what was picked in it is told."""
    try:
        async with desk.store.transaction() as tx:
            yield tx
    except Disconnected as lost:
        raise MarkLost(picking.calls) from lost


async def _claim(desk: Desk, tx: Transaction, upstream: Upstream, picking: _Picking) -> Claimed:
    rate = _rate(desk, upstream)
    if rate is not None:
        allowance = await desk.store.take_pace(tx, upstream.id, rate)
        if allowance.messages == 0:
            return Claimed(wait_seconds=allowance.wait_seconds)
        picking.messages_left = min(allowance.messages, picking.messages_left)
    for round_ in picking.turns.rounds(picking.waiting):
        await _pick(desk, tx, picking, round_)
    if not picking.calls:
        return Claimed()
    desk.observer.reached(Stage.PICKED)
    return await _mark(desk, tx, upstream, picking.calls)


async def _pick(desk: Desk, tx: Transaction, picking: _Picking, round_: Round) -> None:
    is_bulk = round_.priority == BULK
    most_calls = picking.room(round_)
    most_messages = picking.messages_left
    if is_bulk:
        most_messages = min(most_messages, picking.bulk_left)
    if most_calls == 0 or most_messages == 0:
        return
    batch = min(picking.batch, most_messages) if is_bulk else 1
    tenants = [each for each in picking.waiting if each.priority == round_.priority]
    quotas = share_out(tenants, most_calls=most_calls, batch=batch)
    picked = await desk.store.pick_messages(tx, desk.provider_account_id, quotas)
    for messages in group(picked, batch=batch, most_calls=most_calls, most_messages=most_messages):
        picking.add(Call(new_id(), messages))


async def _mark(desk: Desk, tx: Transaction, upstream: Upstream, calls: Sequence[Call]) -> Claimed:
    marked_at = now_seconds()
    await desk.store.mark_calls(
        tx,
        upstream,
        calls,
        dispatcher_id=desk.dispatcher_id,
        lease_seconds=desk.rules.lease_seconds,
    )
    rate = _rate(desk, upstream)
    if rate is not None:
        messages = sum(len(call.messages) for call in calls)
        await desk.store.keep_pace(tx, upstream.id, rate, messages)
    return Claimed(calls, marked_at)


def _rate(desk: Desk, upstream: Upstream) -> float | None:
    return upstream.rate_per_second or desk.rules.messages_per_second
