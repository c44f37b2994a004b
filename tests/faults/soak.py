"""A whole run: one fault after the other, checks after each of them, and the result."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.faults.faults import Fault
from tests.faults.rig import Rig, patiently
from tests.faults.rounds import Bounds, Round, play

LOOK_SECONDS = 0.1
WARM_SECONDS = 60.0
DRAIN_SECONDS = 90.0


@dataclass(slots=True)
class SoakResult:
    """The result of a run. `left_out`: faults that this machine cannot cause, and why not."""

    rounds: list[Round] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    at_rest: list[str] = field(default_factory=list)
    """What was broken after all work had ended."""
    acknowledged: int = 0
    """Requests that were answered with a send."""
    outcomes_unknown: int = 0
    """Requests that were answered with OutcomeUnknown."""
    taken: int = 0
    """Messages that the provider accepted."""
    received: int = 0
    """Messages from phones that were answered with 200."""

    @property
    def violations(self) -> list[str]:
        """All violations, each with the fault before it."""
        found = [f"{each.name}: {what}" for each in self.rounds for what in each.broken]
        return [*found, *(f"at rest: {what}" for what in self.at_rest)]


async def run_faults(
    rig: Rig,
    faults: Iterable[Fault],
    bounds: Bounds,
    report: Callable[[Round], None] = lambda played: None,
) -> SoakResult:
    """Causes the faults under load, one after the other, and then checks everything at rest."""
    result = SoakResult()
    rig.load.start()
    rig.watchers.start()
    rig.status_watchers.start()
    rig.phones.start()
    await _warm(rig)
    for fault in faults:
        if why_not := fault.why_not(rig):
            result.left_out[fault.name] = why_not
            continue
        result.rounds.append(await _played(rig, fault, bounds))
        report(result.rounds[-1])
    result.at_rest = await _rest(rig)
    result.acknowledged = rig.load.acknowledged
    result.outcomes_unknown = rig.load.outcomes_unknown
    result.taken = rig.provider.taken.total()
    result.received = len(rig.phones.answered)
    return result


async def _played(rig: Rig, fault: Fault, bounds: Bounds) -> Round:
    """The round. If it cannot be finished, that is its violation."""
    try:
        return await play(rig, fault, bounds)
    except Exception:  # noqa: BLE001 - the run continues and reports it
        return Round.failed(fault.name, traceback.format_exc(limit=-4))


async def _warm(rig: Rig) -> None:
    """Returns when the load has been answered for the first time."""
    async with asyncio.timeout(WARM_SECONDS):
        while not rig.load.answered_within(1.0):  # noqa: ASYNC110 - another program changes it
            await asyncio.sleep(LOOK_SECONDS)


async def _rest(rig: Rig) -> list[str]:
    """Stops the load, waits for the end of all work, settles UNKNOWN messages, and checks all."""
    broken = await rig.status_watchers.receive()
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await rig.load.stop()
            await rig.phones.stop()
    except TimeoutError:
        broken.append(f"{rig.load.waiting} requests are not answered after the end of the load")
        await rig.phones.close()
    broken += await _wait_for_the_end(rig)
    await patiently(rig.guarantees.settle)
    broken += await patiently(lambda: rig.guarantees.broken(recent_seconds=None))
    broken += await patiently(rig.guarantees.figures_differ)
    broken += await patiently(rig.watchers.broken) + await patiently(rig.phones.broken)
    broken += await patiently(rig.status_watchers.broken_at_rest)
    return broken


async def _wait_for_the_end(rig: Rig) -> list[str]:
    """Waits until nothing is under way any more. Returns what still is after the time limit."""
    give_up_at = time.monotonic() + DRAIN_SECONDS
    while True:
        waiting = await patiently(rig.guarantees.under_way)
        lost = await patiently(lambda: rig.phones.missing(rig.phones.unseen))
        if not waiting and not lost:
            return []
        if time.monotonic() > give_up_at:
            missing = [f"inbound: answered with 200, and in no inbox: {each}" for each in lost]
            return [f"{waiting} messages are still under way after the end of the load", *missing]
        await asyncio.sleep(LOOK_SECONDS)
