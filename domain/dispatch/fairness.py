"""Which messages go next: replies before single sends before bulk, and tenants take turns.

A slot is a call that may be open. Bulk may not use a quarter of the slots, and single sends may
not use one of them, so that an urgent message never waits for a slow call of a less urgent one.
After eight urgent calls one bulk call goes first, so that bulk does not starve
(docs/decisions/0011).

A `Lookout` knows which tenants have messages due: read from the queue, or remembered for a short
time. Every look at the queue walks over the entries of messages that have left it, until PostgreSQL
has removed them. While a snapshot is open (a dump, a long report), it cannot. So a look is not
repeated for each claim: until the next one, claims continue at the positions that the last claims
have reached. What gets an earlier position later (a late commit, a message that is released or
moved here) is found by the next look, which always begins at the beginning: docs/decisions/0204.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, zip_longest
from math import inf
from typing import TypeVar
from uuid import UUID

from domain.dispatch.messages import ALL_IDS, Position, Queued, Quota, Waiting
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
"""How long a quick look is not repeated while it has tenants left, or if it has found none."""

PAUSE = 3
PAUSE_OF_BULK = 19
"""How long a slow look is not repeated, in times of its duration. The look at bulk is repeated
later while tenants that it has found are still served. At most LONGEST_REST_SECONDS."""

MOST_REMEMBERED = 200
"""Tenants of a priority that a look returns."""

Reached = Mapping[tuple[int, UUID], Position | None]
"""For priority and tenant, where the next message is not before; None if nothing more is due."""


@dataclass(slots=True, eq=False)
class _Look:
    """The last look at some priorities, and what is left of what it has found."""

    priorities: Sequence[int]
    quick_seconds: float
    tenants: dict[tuple[int, UUID], Waiting] = field(default_factory=dict)
    found_none: bool = False
    took_seconds: float = 0.0
    ended_at: float = -inf

    @property
    def is_slow(self) -> bool:
        return self.took_seconds > self.quick_seconds

    @property
    def next_at(self) -> float:
        """When the next look may be made."""
        serves_bulk = BULK in self.priorities and bool(self.tenants)
        rest = 0.0
        if self.tenants or self.found_none:
            rest = KEPT_SECONDS_OF_BULK if serves_bulk else KEPT_SECONDS
        if self.is_slow:
            rest = max(rest, (PAUSE_OF_BULK if serves_bulk else PAUSE) * self.took_seconds)
        return self.ended_at + min(rest, LONGEST_REST_SECONDS)

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


class Lookout:
    """Knows which tenants of one provider account wait."""

    def __init__(self, store: Queue, provider_account_id: UUID, *, quick_seconds: float) -> None:
        """`quick_seconds`: after a look that takes longer, the next one is made later.

        Set `among` to the range that the queue is in.
        """
        self._store = store
        self._provider_account_id = provider_account_id
        self.among = ALL_IDS
        self._urgent = _Look((REPLIES, SINGLES), quick_seconds)
        self._bulk = _Look((BULK,), quick_seconds)
        self._delayed: list[_Look] = []

    async def waiting(self, after: Mapping[int, UUID], *, with_bulk: bool) -> list[Waiting]:
        """Tenants with messages due, in the order of their turn, for each priority.

        `after`: the tenants that were served last.
        """
        looks = [self._urgent, self._bulk] if with_bulk else [self._urgent]
        due = [each for each in looks if now_seconds() >= each.next_at]
        if due:  # together, so that the first one does not have to wake for the second one
            due += [
                each for each in looks if each.found_none and not each.is_slow and each not in due
            ]
        self._delayed = [each for each in looks if each not in due]
        for each in due:
            await self._look(each, after)
        return [tenant for each in looks for tenant in each.in_turn(after)]

    @property
    def is_remembered(self) -> bool:
        """Whether the last answer was a remembered one, at least in part."""
        return bool(self._delayed)

    @property
    def wait_seconds(self) -> float:
        """Seconds until the next look that the last answer did without; 0 if there is none."""
        delayed = [each.next_at for each in self._delayed]
        return max(0.0, min(delayed, default=0.0) - now_seconds())

    def reached(self, reached: Reached) -> None:
        """The next answer continues at these positions. Call it after the commit of a claim."""
        for look in (self._urgent, self._bulk):
            for key, position in reached.items():
                if key in look.tenants:
                    if position is None:
                        del look.tenants[key]
                    else:
                        look.tenants[key] = Waiting(*key, position)

    async def _look(self, look: _Look, after: Mapping[int, UUID]) -> None:
        began = now_seconds()
        found = await self._store.tenants_waiting(
            self._provider_account_id,
            after={priority: after.get(priority, NO_TENANT) for priority in look.priorities},
            most=MOST_REMEMBERED,
            among=self.among,
        )
        look.tenants = {(each.priority, each.client_id): each for each in found}
        look.found_none = not found
        look.ended_at = now_seconds()
        look.took_seconds = look.ended_at - began
