"""Faults that somebody has asked for: which call the next one falls on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from providers.simulator.behaviours import BEHAVIOURS, Behaviour


@dataclass(slots=True)
class Fault:
    """A behaviour for the next `times` calls, after `skip` of them; None: until it is lifted.

    `path`: only calls whose path begins so. `seconds`: in place of the behaviour's own.
    """

    kind: str
    times: int | None = 1
    skip: int = 0
    seconds: float | None = None
    path: str = "/"

    def behaviour(self) -> Behaviour:
        """What it asks for, with its own seconds."""
        named = BEHAVIOURS[self.kind]
        return named if self.seconds is None else replace(named, seconds=self.seconds)


class Faults:
    """The faults that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.pending: list[Fault] = []
        self.lifted = asyncio.Event()

    def ask(self, fault: Fault) -> None:
        """From now on the fault waits for its calls."""
        self.pending.append(fault)

    def lift(self) -> None:
        """No fault is left; calls that hang or wait are let go."""
        self.pending.clear()
        self.lifted.set()
        self.lifted = asyncio.Event()

    def next_for(self, path: str) -> Behaviour | None:
        """The behaviour that this call has coming; it is used up by that."""
        for fault in self.pending:
            if not path.startswith(fault.path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            return self._use(fault)
        return None

    def _use(self, fault: Fault) -> Behaviour:
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self.pending.remove(fault)
        return fault.behaviour()
