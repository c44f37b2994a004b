"""Faults that the control endpoint has set, and the calls that they apply to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from providers.simulator.behaviours import BEHAVIOURS, Behaviour


@dataclass(slots=True)
class Fault:
    """A behaviour for the next `times` calls after the first `skip`; None: until a reset.

    `path`: only for calls whose path starts with it. `seconds`: replaces those of the behaviour.
    """

    kind: str
    times: int | None = 1
    skip: int = 0
    seconds: float | None = None
    path: str = "/"

    def behaviour(self) -> Behaviour:
        """The behaviour, with the `seconds` of this fault."""
        named = BEHAVIOURS[self.kind]
        return named if self.seconds is None else replace(named, seconds=self.seconds)


class Faults:
    """The pending faults, in the order in which they were set."""

    def __init__(self) -> None:
        self.pending: list[Fault] = []
        self.cleared = asyncio.Event()

    def add(self, fault: Fault) -> None:
        """Adds a fault after the others."""
        self.pending.append(fault)

    def clear(self) -> None:
        """Removes all faults, and ends the wait of calls that hang."""
        self.pending.clear()
        self.cleared.set()
        self.cleared = asyncio.Event()

    def next_for(self, path: str) -> Behaviour | None:
        """The behaviour of the first fault that applies to this call, and counts the call."""
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
