"""One fault and the checks after it: how long recovery takes, and which guarantees were broken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from tests import db
from tests.faults.faults import Fault
from tests.faults.pools import pools_are_full
from tests.faults.rig import START_SECONDS, Rig, patiently

FULL_SHARE = 0.9
WINDOW_SECONDS = 1.0
LOOK_SECONDS = 0.1
GRACE_SECONDS = 5.0

# If a message waits for longer than this, messages are not submitted as fast as before.
OVERDUE_SECONDS = 1.5
OVERDUE = """
SELECT count(*) AS messages FROM message
WHERE status = 'QUEUED' AND due_at < clock_timestamp() - make_interval(secs => $1)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """The results of one fault. Seconds count from the end of the fault."""

    name: str
    accepting_after: float
    submitting_after: float
    watchers_after: float
    """Until all watchers have received the state at the end of the fault."""
    longest_try: float
    broken: list[str] = field(default_factory=list)

    @classmethod
    def failed(cls, name: str, why: str) -> Round:
        """A round that could not be finished."""
        never = float("inf")
        return cls(name, never, never, never, never, [why])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long recovery may take before it counts as broken. `watcher_seconds`: for watchers."""

    recovery_seconds: float
    watcher_seconds: float
    settled_seconds: float


async def play(rig: Rig, fault: Fault, bounds: Bounds) -> Round:
    """Causes the fault under load, and then checks everything."""
    rig.load.longest_try_seconds = 0.0
    await fault.make(rig)
    broken: list[str] = []
    ended_at = time.monotonic()
    owed = rig.phones.unseen
    present = await patiently(rig.watchers.present)
    accepting, submitting, watching = await asyncio.gather(
        _after(ended_at, lambda: _accepts(rig), bounds.recovery_seconds, WINDOW_SECONDS),
        _after(ended_at, _submits, bounds.recovery_seconds, OVERDUE_SECONDS),
        _after(ended_at, lambda: _watchers_are_current(rig, present), bounds.watcher_seconds),
    )
    if max(accepting, submitting) == float("inf"):
        broken.append(f"no recovery within {bounds.recovery_seconds} s")
    if watching == float("inf"):
        behind = rig.watchers.behind(present)
        broken.append(f"{behind} watchers are behind after {bounds.watcher_seconds} s")
    if not await _is_up(rig, ended_at):
        broken.append("not all programs are up again")
    settled = await _after(ended_at, lambda: _is_settled(rig, owed), bounds.settled_seconds)
    if settled == float("inf"):
        broken += await patiently(rig.guarantees.stuck)
        lost = await patiently(lambda: rig.phones.missing(owed))
        broken += [f"inbound: answered with 200, and in no inbox: {each}" for each in lost]
    for look in (rig.guarantees.broken, rig.watchers.broken, rig.phones.broken):
        broken += await patiently(look)
    if fault.loses_connections:
        broken += await pools_are_full(rig)
    broken += await _deadlocks(rig) + _surprises(rig)
    return Round(fault.name, accepting, submitting, watching, rig.load.longest_try_seconds, broken)


async def _is_up(rig: Rig, ended_at: float) -> bool:
    return await _after(ended_at, rig.is_up, START_SECONDS) < float("inf")


async def _after(
    ended_at: float,
    question: Callable[[], Awaitable[bool]],
    bound_seconds: float,
    window_seconds: float = 0.0,
) -> float:
    """Seconds until the answer is true for the first time. `inf` if it never is.

    `window_seconds`: how far back the question looks. It must not look at the time before the end.
    """
    began_at = ended_at + window_seconds
    await asyncio.sleep(began_at - time.monotonic())
    while not await patiently(question):
        if time.monotonic() - began_at > bound_seconds:
            return float("inf")
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - began_at


async def _watchers_are_current(rig: Rig, present: dict[UUID, int]) -> bool:
    return rig.watchers.behind(present) == 0


async def _accepts(rig: Rig) -> bool:
    """Whether 90 % of the requested rate was answered in the last window."""
    wanted = FULL_SHARE * WINDOW_SECONDS * rig.scale.load_rules.requests_per_second
    return rig.load.answered_within(WINDOW_SECONDS) >= wanted


async def _submits() -> bool:
    (row,) = await db.fetch(OVERDUE, OVERDUE_SECONDS)
    return bool(row["messages"] == 0)


async def _is_settled(rig: Rig, owed: frozenset[str]) -> bool:
    is_stuck = await rig.guarantees.stuck(grace_seconds=GRACE_SECONDS)
    return not is_stuck and not await rig.phones.missing(owed)


async def _deadlocks(rig: Rig) -> list[str]:
    """The deadlocks since the last round."""
    before, rig.deadlocks = rig.deadlocks, await patiently(rig.postgres.deadlocks)
    new = rig.deadlocks - before
    return [f"{new} deadlocks"] if new else []


def _surprises(rig: Rig) -> list[str]:
    """Programs that ended without a request to stop."""
    found = [each for program in rig.programs for each in program.surprises]
    for program in rig.programs:
        program.surprises.clear()
    return found
