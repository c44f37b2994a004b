"""Looks at every state that can be reached, nearest first, so that each trace is a shortest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.protocol import ledger_steps, message_steps
from tests.protocol.invariants import AT_REST, IN_CHANGES, IN_STATES
from tests.protocol.state import Setup, State, Step, start

STEPS = (*message_steps.STEPS, *ledger_steps.STEPS)


@dataclass(frozen=True)
class Explored:
    """What a search has found. `broken`: the name of an invariant, None if all hold.

    `trace`: the shortest way there, as sentences. `taken`: the names of the steps that happened.
    """

    setup: Setup
    states: int
    changes: int
    depth: int
    taken: frozenset[str]
    broken: str | None = None
    trace: Sequence[str] = ()


class _Search:
    def __init__(self, setup: Setup, steps: Sequence[Step]) -> None:
        self.setup = setup
        self.steps = steps
        first = start(setup)
        self.came_from: dict[State, tuple[State | None, str]] = {first: (None, "")}
        self.changes = 0
        self.depth = 0
        self.taken: set[str] = set()

    def run(self) -> Explored:
        """Level by level, until nothing is new or an invariant is broken."""
        level = list(self.came_from)
        while level:
            following: list[State] = []
            for state in level:
                broken = self._visit(state, following)
                if broken is not None:
                    return self._explored(*broken)
            level = following
            self.depth += bool(level)
        return self._explored()

    def _visit(self, before: State, following: list[State]) -> tuple[str, State] | None:
        is_at_rest = True
        for step in self.steps:
            for sentence, after in step(self.setup, before):
                is_at_rest = False
                self.taken.add(step.__name__)
                self.changes += 1
                is_new = after not in self.came_from
                if is_new:
                    self.came_from[after] = (before, sentence)
                    following.append(after)
                broken = self._broken(before, after, is_new=is_new)
                if broken is not None:
                    self.came_from[after] = (before, sentence)
                    return broken, after
        if is_at_rest:
            for rule in AT_REST:
                if not rule(self.setup, before):
                    return rule.__name__, before
        return None

    def _broken(self, before: State, after: State, *, is_new: bool) -> str | None:
        if after.messages is not before.messages or after.sends is not before.sends:
            for of_change in IN_CHANGES:
                if not of_change(self.setup, before, after):
                    return of_change.__name__
        if is_new:
            for of_state in IN_STATES:
                if not of_state(self.setup, after):
                    return of_state.__name__
        return None

    def _explored(self, broken: str | None = None, end: State | None = None) -> Explored:
        trace: list[str] = []
        while end is not None:
            end, sentence = self.came_from[end]
            trace.append(sentence)
        return Explored(
            self.setup,
            len(self.came_from),
            self.changes,
            self.depth,
            frozenset(self.taken),
            broken,
            [each for each in reversed(trace) if each],
        )


def explore(setup: Setup, steps: Sequence[Step] = STEPS) -> Explored:
    """Every state that the setup can reach, or the shortest way to a broken invariant."""
    return _Search(setup, steps).run()
