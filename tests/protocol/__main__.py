"""`python -m tests.protocol [--deep]`: how many states hold, and how each weakened one breaks."""

from __future__ import annotations

import sys

from tests.protocol.search import Explored, explore
from tests.protocol.setups import BY_NAME, DEEP, QUICK
from tests.protocol.weakened import WEAKENED


def main(*, deep: bool) -> int:
    """Prints everything. The exit code is 1 if the model is not as expected."""
    total, is_right = 0, True
    for setup in (*QUICK, *(DEEP if deep else ())):
        explored = explore(setup)
        total += explored.states
        is_right &= explored.broken is None
        print(summary(explored))
    print(f"{total:,} states.\n\nOne line changed:\n")
    for weakened in WEAKENED:
        explored = explore(BY_NAME[weakened.setup], weakened.steps())
        is_right &= explored.broken == weakened.breaks
        print(f"- {weakened.name}: {summary(explored)}")
    return 0 if is_right else 1


def summary(explored: Explored) -> str:
    """What a search has found, with the trace if an invariant is broken."""
    if explored.broken is None:
        name, states = explored.setup.name, explored.states
        return f"{name}: {states:,} states, {explored.changes:,} changes, all invariants hold."
    steps = "\n".join(f"    {number}. {each}" for number, each in enumerate(explored.trace, 1))
    return f"{explored.broken} is broken by\n{steps}"


if __name__ == "__main__":
    sys.exit(main(deep="--deep" in sys.argv))
