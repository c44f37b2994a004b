"""A rig hurt by one fault after the other, everything looked at after each: a run's verdict."""

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
class Verdict:
    """What a run has found. `left_out`: faults that this machine cannot do, and why not."""

    rounds: list[Round] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    at_rest: list[str] = field(default_factory=list)
    """What was broken once everything had come to rest."""
    acknowledged: int = 0
    """Requests that were answered with a send."""
    outcomes_unknown: int = 0
    """Requests that were answered with OutcomeUnknown."""
    taken: int = 0
    """Messages that the provider took."""
    received: int = 0
    """Messages from phones that were answered 200."""

    @property
    def violations(self) -> list[str]:
        """All that was broken, each with the fault that it came after."""
        found = [f"{each.name}: {what}" for each in self.rounds for what in each.broken]
        return [*found, *(f"at rest: {what}" for what in self.at_rest)]


async def hurt(
    rig: Rig,
    faults: Iterable[Fault],
    bounds: Bounds,
    tell: Callable[[Round], None] = lambda delivered: None,
) -> Verdict:
    """Plays the faults under load, one after the other, and lets everything come to rest."""
    verdict = Verdict()
    rig.load.start()
    rig.watchers.start()
    rig.status_watchers.start()
    rig.phones.start()
    await _warm(rig)
    for fault in faults:
        if why_not := fault.why_not(rig):
            verdict.left_out[fault.name] = why_not
            continue
        verdict.rounds.append(await _played(rig, fault, bounds))
        tell(verdict.rounds[-1])
    verdict.at_rest = await _rest(rig)
    verdict.acknowledged = rig.load.acknowledged
    verdict.outcomes_unknown = rig.load.outcomes_unknown
    verdict.taken = rig.witness.taken.total()
    verdict.received = len(rig.phones.answered)
    return verdict


async def _played(rig: Rig, fault: Fault, bounds: Bounds) -> Round:
    """The round; where it cannot be played to its end, that is what is broken."""
    try:
        return await play(rig, fault, bounds)
    except Exception:  # noqa: BLE001 - the run goes on and reports it
        return Round.failed(fault.name, traceback.format_exc(limit=-4))


async def _warm(rig: Rig) -> None:
    """Returns when the load has been answered for the first time."""
    async with asyncio.timeout(WARM_SECONDS):
        while not rig.load.answered_within(1.0):  # noqa: ASYNC110 - other programs' work
            await asyncio.sleep(LOOK_SECONDS)


async def _rest(rig: Rig) -> list[str]:
    """What is broken when nobody asks any more, nothing waits and no doubt is left."""
    broken = await rig.status_watchers.receive()
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await rig.load.stop()
            await rig.phones.stop()
    except TimeoutError:
        broken.append(f"{rig.load.waiting} requests are not answered when all is quiet")
        await rig.phones.close()
    broken += await _come_to_rest(rig)
    await patiently(rig.promises.settle)
    broken += await patiently(lambda: rig.promises.broken(recent_seconds=None))
    broken += await patiently(rig.promises.figures_differ)
    broken += await patiently(rig.watchers.broken) + await patiently(rig.phones.broken)
    broken += await patiently(rig.status_watchers.broken_at_rest)
    return broken


async def _come_to_rest(rig: Rig) -> list[str]:
    """Returns when nothing is under way any more; what still is when it has been given its time."""
    give_up_at = time.monotonic() + DRAIN_SECONDS
    while True:
        waiting = await patiently(rig.promises.under_way)
        lost = await patiently(lambda: rig.phones.missing(rig.phones.unseen))
        if not waiting and not lost:
            return []
        if time.monotonic() > give_up_at:
            delivered = [f"inbound: answered, and nowhere: {each}" for each in lost]
            return [f"{waiting} messages are still under way when all is quiet", *delivered]
        await asyncio.sleep(LOOK_SECONDS)
