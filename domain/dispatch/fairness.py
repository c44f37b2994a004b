"""Whose messages go next: replies before singles before bulk, and tenants take turns.

Slots are the calls that may be open at once. Bulk leaves a quarter of them alone and singles leave
one, so that what is urgent never waits for a slow call of what is not; and after eight urgent
calls one of bulk goes first, so that bulk does not starve: docs/decisions/0011 says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from math import inf
from typing import TypeVar
from uuid import UUID

from domain.sending.sends import PRIORITY, SendKind

REPLIES = PRIORITY[SendKind.REPLY]
SINGLES = PRIORITY[SendKind.SINGLE]
BULK = PRIORITY[SendKind.BULK]

URGENT_CALLS_PER_BULK_CALL = 8
NOBODY = UUID(int=0)

Each = TypeVar("Each")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tenant that has messages of a priority due."""

    priority: int
    client_id: UUID


@dataclass(frozen=True, slots=True)
class Quota:
    """How many messages of a tenant's may be picked."""

    priority: int
    client_id: UUID
    messages: int


@dataclass(frozen=True, slots=True)
class Round:
    """A priority whose turn it is, and how many calls it may open at most."""

    priority: int
    most_calls: float = inf


@dataclass(slots=True)
class Turns:
    """Which tenant was served last at each priority, and how often bulk was passed over.

    `slots`: calls that may be open at once.
    """

    slots: int
    last: dict[int, UUID] = field(default_factory=dict)
    passed_over: int = 0

    def after(self) -> Mapping[int, UUID]:
        """For each priority the tenant behind whom the next turn begins."""
        return {priority: self.last.get(priority, NOBODY) for priority in (REPLIES, SINGLES, BULK)}

    def rounds(self, waiting: Iterable[Waiting]) -> list[Round]:
        """The priorities that are waiting, in the order in which they are served now."""
        rounds = [Round(each) for each in sorted({each.priority for each in waiting})]
        if Round(BULK) in rounds and self.passed_over >= URGENT_CALLS_PER_BULK_CALL:
            rounds.remove(Round(BULK))
            rounds.insert(0, Round(BULK, most_calls=1))
        return rounds

    def room(self, priority: int, open_calls: Mapping[int, int]) -> int:
        """How many more calls of a priority may be opened."""
        urgent = sum(open_calls.get(each, 0) for each in (REPLIES, SINGLES))
        bulk = open_calls.get(BULK, 0)
        free = self.slots - urgent - bulk
        if priority == BULK:
            free = min(free, self.slots - kept_from_bulk(self.slots) - bulk)
        if priority != REPLIES:
            free = min(free, self.slots - kept_for_replies(self.slots) - urgent - bulk)
        return max(0, free)

    def served(self, calls: Sequence[Waiting], waiting: Iterable[Waiting]) -> None:
        """Calls were opened, one entry each, while all these were waiting."""
        for call in calls:
            self.last[call.priority] = call.client_id
        opened = Counter(call.priority for call in calls)
        if opened[BULK] or not any(each.priority == BULK for each in waiting):
            self.passed_over = 0
        else:
            self.passed_over += len(calls)


def kept_from_bulk(slots: int) -> int:
    """Slots that bulk leaves alone."""
    return max(1, slots // 4) if slots > 1 else 0


def kept_for_replies(slots: int) -> int:
    """Slots that only replies may take."""
    return 1 if slots >= 4 else 0


def share_out(waiting: Sequence[Waiting], *, most_calls: int, batch: int) -> list[Quota]:
    """What each tenant of one priority may be picked, in their order.

    More than `most_calls` together where they do not divide: who picks cuts what is too much.
    """
    served = waiting[:most_calls]
    calls_each = -(-most_calls // len(served)) if served else 0
    return [Quota(each.priority, each.client_id, calls_each * batch) for each in served]


def take_turns(queues: Iterable[Sequence[Each]]) -> list[Each]:
    """The first of each queue, then the second of each, and so on."""
    rounds = zip_longest(*[[[each] for each in queue] for queue in queues], fillvalue=[])
    return [each for round_ in rounds for each in chain.from_iterable(round_)]
