"""The results of a benchmark: each is one line of the table."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeVar

Build = TypeVar("Build")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure, and its goal if it has one."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def goal(self) -> str:
        """The goal in words. Empty if there is none."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"

    @property
    def met(self) -> bool:
        """Whether the goal is met. True if there is none."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def compared(
    builds: Sequence[Build],
    measure: Callable[[Build], list[Measurement]],
    *,
    rounds: int = 3,
    other_name: str = "other build",
) -> list[Measurement]:
    """The figures of `measure` for the first build, and their ratios to those of the other builds.

    With others, the builds take turns for some rounds, and the medians count: a busy machine
    disturbs all of them.
    """
    runs: list[list[list[Measurement]]] = [[] for _ in builds]
    for _ in range(rounds if len(builds) > 1 else 1):
        for build, found in zip(builds, runs, strict=True):
            found.append(measure(build))
            sys.stderr.write(f"{build}: {[(each.what, each.value) for each in found[-1]]}\n")
    ours, *others = [[_median(same) for same in zip(*run, strict=True)] for run in runs]
    ratios = [
        Measurement(f"{our.what} ÷ {other_name}", our.value / its.value if its.value else 0.0, "")
        for other in others
        for our, its in zip(ours, other, strict=True)
    ]
    return [*ours, *ratios]


async def timed(work: Awaitable[Result]) -> tuple[Result, float]:
    """The result of the work, and how many seconds it takes."""
    began = time.perf_counter()
    return await work, time.perf_counter() - began


def _median(same: Sequence[Measurement]) -> Measurement:
    return replace(same[0], value=median(each.value for each in same))
