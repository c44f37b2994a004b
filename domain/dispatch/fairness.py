"""Which messages go next: replies before single sends before bulk, and tenants take turns.

A slot is a call that may be open. Bulk may not use a quarter of the slots, and single sends may
not use one of them, so that an urgent message never waits for a slow call of a less urgent one.
After eight urgent calls one bulk call goes first, so that bulk does not starve
(docs/decisions/0011).

A `QueueWatch` knows which tenants have messages due: read from the queue, or remembered. A look at
the whole queue visits the rows of all messages that have left it, until PostgreSQL has removed
their entries. While a snapshot is open (a dump, a long report), it cannot. So claims continue at
the positions that the last claims have reached, and wait only for looks at what became due lately.
What has an earlier position (a very late commit, a message that is moved here) is found by the next
look at the whole queue, which is made beside the claims: docs/decisions/0204.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, zip_longest
from math import inf
from typing import TypeVar
from uuid import UUID

from domain.dispatch.messages import (
    EVER_SECONDS,
    Queued,
    QueuePosition,
    Quota,
    Waiting,
)
from domain.dispatch.ports import Queue
from domain.loops import LONGEST_REST_SECONDS, now_seconds
from domain.sending.messages import PRIORITY, SendKind

REPLIES = PRIORITY[SendKind.REPLY]
SINGLES = PRIORITY[SendKind.SINGLE]
BULK = PRIORITY[SendKind.BULK]

URGENT_CALLS_PER_BULK_CALL = 8
NO_TENANT = UUID(int=0)
ANY_NUMBER = 2**31 - 1

Each = TypeVar("Each")


@dataclass(frozen=True, slots=True)
class Round:
    """A priority to serve, and how many calls it may open."""

    priority: int
    most_calls: float = inf


@dataclass(slots=True)
class Turns:
    """Which tenant was served last at each priority, and how many urgent calls went before bulk.

    `slots`: calls that may be open at once.
    """

    slots: int
    last: dict[int, UUID] = field(default_factory=dict)
    urgent_calls: int = 0

    def after(self) -> Mapping[int, UUID]:
        """For each priority the tenant that was served last."""
        return {
            priority: self.last.get(priority, NO_TENANT) for priority in (REPLIES, SINGLES, BULK)
        }

    def rounds(self, waiting: Iterable[Waiting]) -> list[Round]:
        """The priorities that wait, in the order in which to serve them now."""
        rounds = [Round(each) for each in sorted({each.priority for each in waiting})]
        if Round(BULK) in rounds and self.urgent_calls >= URGENT_CALLS_PER_BULK_CALL:
            rounds.remove(Round(BULK))
            rounds.insert(0, Round(BULK, most_calls=1))
        return rounds

    def free_slots(self, priority: int, open_calls: Mapping[int, int]) -> int:
        """How many more calls of the priority may be opened."""
        urgent = sum(open_calls.get(each, 0) for each in (REPLIES, SINGLES))
        bulk = open_calls.get(BULK, 0)
        free = self.slots - urgent - bulk
        if priority == BULK:
            free = min(free, self.slots - slots_without_bulk(self.slots) - bulk)
        if priority != REPLIES:
            free = min(free, self.slots - slots_for_replies(self.slots) - urgent - bulk)
        return max(0, free)

    def served(self, calls: Sequence[Waiting], waiting: Iterable[Waiting]) -> None:
        """Notes the calls that were opened, and who was waiting then."""
        for call in calls:
            self.last[call.priority] = call.client_id
        opened = Counter(call.priority for call in calls)
        if opened[BULK] or not any(each.priority == BULK for each in waiting):
            self.urgent_calls = 0
        else:
            self.urgent_calls += len(calls)


def slots_without_bulk(slots: int) -> int:
    """Slots that bulk may not use."""
    return max(1, slots // 4) if slots > 1 else 0


def slots_for_replies(slots: int) -> int:
    """Slots that only replies may use."""
    return 1 if slots >= 4 else 0


def share_out(waiting: Sequence[Waiting], *, most_calls: int, batch: int) -> list[Quota]:
    """How many messages of each tenant may be picked, in the order of the tenants.

    The sum can be more than `most_calls` allow: the caller drops the rest.
    """
    served = waiting[:most_calls]
    calls_each = -(-most_calls // len(served)) if served else 0
    return [
        Quota(each.priority, each.client_id, calls_each * batch, each.position) for each in served
    ]


def group(
    picked: Iterable[Queued], *, batch: int, most_calls: int, most_messages: int = ANY_NUMBER
) -> list[Sequence[Queued]]:
    """The messages of each call. Tenants take turns, and what is too much is left out.

    `picked`: tenant by tenant, each in the order of the queue. `batch`: messages that fit into one
    call. `most_messages`: of all calls together.
    """
    by_tenant = groupby(picked, key=lambda message: message.client_id)
    calls = take_turns([_calls_of(list(messages), batch) for _, messages in by_tenant])
    kept: list[Sequence[Queued]] = []
    for call in calls[:most_calls]:
        part = call[:most_messages]
        if part:
            kept.append(part)
        most_messages -= len(part)
    return kept


def take_turns(queues: Iterable[Sequence[Each]]) -> list[Each]:
    """The first of each queue, then the second of each, and so on."""
    rounds = zip_longest(*[[[each] for each in queue] for queue in queues], fillvalue=[])
    return [each for round_ in rounds for each in chain.from_iterable(round_)]


def _calls_of(messages: Sequence[Queued], batch: int) -> list[Sequence[Queued]]:
    """The calls of one tenant, in the order of their first message. A call is of one send."""
    calls: list[list[Queued]] = []
    open_calls: dict[UUID, list[Queued]] = {}
    for message in messages:
        if message.alone or message.priority != BULK:
            calls.append([message])
            continue
        call = open_calls.get(message.send_id)
        if call is None or len(call) == batch:
            call = open_calls[message.send_id] = []
            calls.append(call)
        call.append(message)
    return list(calls)


KEPT_SECONDS = 0.05
KEPT_SECONDS_OF_BULK = 0.15
"""How long a look is not repeated while it has tenants left, or if it has found none."""

PAUSE = 4
"""How long a look is not repeated, in times of its duration. At most LONGEST_REST_SECONDS."""

WHOLE_EVERY_SECONDS = 0.5
PAUSE_OF_WHOLE = 19
"""The same for looks at the whole queue."""

LATE_SECONDS = 2.0
"""A message is committed at most this long after it became due. One that is later has to wait for a
look at the whole queue."""

MOST_REMEMBERED = 200
"""Tenants of a priority that a look returns. When half of them are served, the next ones are looked
for: some may have messages for hours, and the others do not wait for these."""

Reached = Mapping[tuple[int, UUID], QueuePosition | None]
"""For priority and tenant, where the next message is not before; None if nothing more is due."""


@dataclass(slots=True, eq=False)
class _Look:
    """The last looks at some priorities, and what is left of what they have found.

    `known_at`: what became due before is in `tenants`, or is found by a look at the whole queue.
    `whole`: a look at it that is under way. `is_cut`: the last one did not return all tenants.
    `is_sure`: the last look has found all of `tenants`.
    """

    priorities: Sequence[int]
    tenants: dict[tuple[int, UUID], Waiting] = field(default_factory=dict)
    found_none: bool = False
    is_sure: bool = False
    took_seconds: float = 0.0
    ended_at: float = -inf
    known_at: float = field(default_factory=lambda: now_seconds())
    whole: asyncio.Task[Sequence[Waiting]] | None = None
    whole_at: float = -inf
    is_cut: bool = False

    @property
    def may_repeat_at(self) -> float:
        """When a look would take at most a fifth of the time."""
        return self.ended_at + min(PAUSE * self.took_seconds, LONGEST_REST_SECONDS)

    @property
    def next_at(self) -> float:
        """When the next look is made."""
        rest = 0.0
        if self.tenants or self.found_none:
            serves_bulk = BULK in self.priorities and bool(self.tenants)
            rest = KEPT_SECONDS_OF_BULK if serves_bulk else KEPT_SECONDS
        return max(self.ended_at + rest, self.may_repeat_at)

    def take_whole(self) -> None:
        """Adds what a look at the whole queue has found. Raises its failure."""
        if self.whole is not None and self.whole.done():
            ended, self.whole = self.whole, None
            found = ended.result()
            self.add(found)
            self.is_cut, self.is_sure = _is_cut(found), False
            self.found_none = self.found_none and not found

    def add(self, found: Sequence[Waiting]) -> None:
        """Remembers these as well, each at the first of the positions that are known."""
        for each in found:
            key = each.priority, each.client_id
            known = self.tenants.setdefault(key, each)
            if each.position < known.position:
                self.tenants[key] = each

    def drop_served(self, found: Sequence[Waiting]) -> None:
        """Forgets those that the look would have found if they had anything left."""
        keys = {(each.priority, each.client_id) for each in found}
        for key, each in list(self.tenants.items()) if found else ():
            if key not in keys and each.position.due_at >= found[0].since:
                del self.tenants[key]

    def in_turn(self, after: Mapping[int, UUID]) -> Iterable[Waiting]:
        """The tenants that are left, in the order of their turn."""
        return sorted(
            self.tenants.values(),
            key=lambda each: (
                each.priority,
                each.client_id <= after.get(each.priority, NO_TENANT),
                each.client_id,
            ),
        )


class QueueWatch:
    """Knows which tenants of one provider account wait."""

    def __init__(
        self, store: Queue, provider_account_id: UUID, *, changed: Callable[[], None]
    ) -> None:
        """`changed`: called when a look beside the claims has found somebody."""
        self._store = store
        self._provider_account_id = provider_account_id
        self._changed = changed
        self._looks = (_Look((REPLIES, SINGLES)), _Look((BULK,)))
        self._delayed: list[_Look] = []
        self.is_remembered = False
        """Whether the last answer was a remembered one, at least in part."""

    async def stop(self) -> None:
        """Ends looks that are under way. Nobody needs their failures any more."""
        wholes = [each.whole for each in self._looks if each.whole is not None]
        for whole in wholes:
            whole.cancel()
        await asyncio.gather(*wholes, return_exceptions=True)

    async def waiting(self, after: Mapping[int, UUID], *, with_bulk: bool) -> list[Waiting]:
        """Tenants with messages due, in the order of their turn, for each priority.

        `after`: the tenants that were served last. Some may have nothing due any more.
        """
        looks = self._looks if with_bulk else self._looks[:1]
        await self._look_at_all(looks, after)
        due = [each for each in looks if now_seconds() >= each.next_at]
        if due:  # together, so that the first one does not have to wake for the second one
            due += [
                each
                for each in looks
                if each.found_none and now_seconds() >= each.may_repeat_at and each not in due
            ]
        self._delayed = [each for each in looks if each not in due]
        for each in due:
            await self._look(each, after)
        self.is_remembered = bool(self._delayed) or not all(each.is_sure for each in looks)
        return [tenant for each in looks for tenant in each.in_turn(after)]

    @property
    def wait_seconds(self) -> float:
        """Seconds until the look that the last answer has postponed; 0 if it has postponed none."""
        delayed = [each.next_at for each in self._delayed]
        return max(0.0, min(delayed, default=0.0) - now_seconds())

    def reached(self, reached: Reached) -> None:
        """The next answer continues at these positions. Call it after the commit of a claim."""
        for look in self._looks:
            for key, position in reached.items():
                if key in look.tenants:
                    if position is None:
                        del look.tenants[key]
                    else:
                        look.tenants[key] = Waiting(*key, position)

    async def _look(self, look: _Look, after: Mapping[int, UUID]) -> None:
        """Looks at what became due since the last look, and a little before it."""
        began = now_seconds()
        found = await self._find(look, after, since_seconds=began - look.known_at + LATE_SECONDS)
        look.add(found)
        if not _is_cut(found):
            look.known_at = began
            look.drop_served(found)
        look.is_sure = len(found) == len(look.tenants)
        look.found_none = not look.tenants
        look.ended_at = now_seconds()
        look.took_seconds = look.ended_at - began

    async def _look_at_all(self, looks: Iterable[_Look], after: Mapping[int, UUID]) -> None:
        """Begins looks at the whole queue that are due, and takes what such looks have found.

        Waits for the first ones only.
        """
        first = []
        for each in looks:
            each.take_whole()
            served_most = each.is_cut and len(each.tenants) <= MOST_REMEMBERED // 2
            if each.whole is None and (now_seconds() >= each.whole_at or served_most):
                each.whole = asyncio.create_task(self._whole(each, after), name="look at the queue")
            if each.whole is not None and each.ended_at == -inf:
                first.append(each.whole)
        if first:
            await asyncio.wait(first)
            for each in looks:
                each.take_whole()

    async def _whole(self, look: _Look, after: Mapping[int, UUID]) -> Sequence[Waiting]:
        began = now_seconds()
        found = await self._find(look, after)
        ended_at = now_seconds()
        rest = min(PAUSE_OF_WHOLE * (ended_at - began), LONGEST_REST_SECONDS)
        look.whole_at = ended_at + max(WHOLE_EVERY_SECONDS, rest)
        if found:
            self._changed()
        return found

    async def _find(
        self, look: _Look, after: Mapping[int, UUID], *, since_seconds: float = EVER_SECONDS
    ) -> list[Waiting]:
        return await self._store.tenants_waiting(
            self._provider_account_id,
            after={priority: after.get(priority, NO_TENANT) for priority in look.priorities},
            most=MOST_REMEMBERED,
            since_seconds=since_seconds,
        )


def _is_cut(found: Iterable[Waiting]) -> bool:
    """Whether there may be more tenants than the look has returned."""
    return any(n == MOST_REMEMBERED for n in Counter(each.priority for each in found).values())
