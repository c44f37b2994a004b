"""Which tenants have messages due: read from the queue, or remembered for a short time.

While a snapshot is open (a dump, a long report), PostgreSQL cannot remove the entries of messages
that have left the queue, and every look at the queue walks over them. So a slow look is not
repeated for each claim: until the next one, claims continue at the positions that the last claims
have reached. What gets an earlier position later (a late commit, a message that is released or
moved here) is found by the next look, which always begins at the beginning: docs/decisions/0204.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from uuid import UUID

from domain.dispatch.fairness import BULK, NO_TENANT, REPLIES, SINGLES
from domain.dispatch.messages import Position, Waiting
from domain.dispatch.ports import Queue
from domain.loops import now_seconds

PAUSE = 3
PAUSE_OF_BULK = 9
"""How long a slow look is not repeated, in times of its duration. The look at bulk is repeated
later while tenants that it has found are still served."""

MOST_REMEMBERED = 200
"""Tenants of a priority that a look returns if the last one was slow."""

Reached = Mapping[tuple[int, UUID], Position | None]
"""For priority and tenant, where the next message is not before; None if nothing more is due."""


@dataclass(slots=True)
class _Look:
    """The last look at some priorities, and what is left of what it has found."""

    priorities: Sequence[int]
    quick_seconds: float
    tenants: dict[tuple[int, UUID], Waiting] = field(default_factory=dict)
    took_seconds: float = 0.0
    ended_at: float = -inf

    @property
    def is_slow(self) -> bool:
        return self.took_seconds > self.quick_seconds

    @property
    def next_at(self) -> float:
        """When the next look may be made."""
        pause = PAUSE_OF_BULK if BULK in self.priorities and self.tenants else PAUSE
        return self.ended_at + pause * self.took_seconds if self.is_slow else -inf

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
        """`quick_seconds`: a look that takes no longer is repeated for each claim."""
        self._store = store
        self._provider_account_id = provider_account_id
        self._urgent = _Look((REPLIES, SINGLES), quick_seconds)
        self._bulk = _Look((BULK,), quick_seconds)

    async def waiting(
        self, after: Mapping[int, UUID], *, most: int, with_bulk: bool
    ) -> list[Waiting]:
        """Tenants with messages due, in the order of their turn, for each priority.

        `after`: the tenants that were served last. Quick looks find at most `most` of each.
        """
        looks = [self._urgent, self._bulk] if with_bulk else [self._urgent]
        due = [each for each in looks if now_seconds() >= each.next_at]
        if any(each.is_slow for each in due):
            for each in due:
                await self._look([each], after, most)
        elif due:
            await self._look(due, after, most)
        return [tenant for each in looks for tenant in each.in_turn(after)]

    @property
    def wait_seconds(self) -> float:
        """How long until a look is due that is delayed now. 0 if none is."""
        delayed = [each.next_at for each in (self._urgent, self._bulk) if each.is_slow]
        return max(0.0, min(delayed, default=0.0) - now_seconds())

    def reached(self, reached: Reached) -> None:
        """Continue there. Call it after the commit of a claim."""
        for look in (self._urgent, self._bulk):
            for key, position in reached.items():
                if key in look.tenants:
                    if position is None:
                        del look.tenants[key]
                    else:
                        look.tenants[key] = Waiting(*key, position)

    async def _look(self, looks: Sequence[_Look], after: Mapping[int, UUID], most: int) -> None:
        began = now_seconds()
        if any(each.is_slow for each in looks):
            most = max(most, MOST_REMEMBERED)
        wanted = {
            priority: after.get(priority, NO_TENANT)
            for each in looks
            for priority in each.priorities
        }
        found = await self._store.tenants_waiting(
            self._provider_account_id, after=wanted, most=most
        )
        for look in looks:
            look.tenants = {
                (each.priority, each.client_id): each
                for each in found
                if each.priority in look.priorities
            }
            look.took_seconds = now_seconds() - began
            # Whose part of it was slow is not known: next time, each is looked at alone.
            look.ended_at = now_seconds() if len(looks) == 1 else -inf
