"""kill -9 of a dispatcher at every stage. The simulator's log shows what it accepted, how often."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from domain.dispatch.rules import Stage
from tests import db
from tests.clocks import stopwatch
from tests.dispatch.parts import QUICK, Opened, dispatching, eventually
from tests.dispatch.programs import dies, dispatcher
from tests.providers.simulated import Simulated, simulated

SINGLES, BULK = 6, 130


async def queue_up() -> db.Tenant:
    """Six singles and a bulk of 130, each to its own number."""
    client = await db.add_client(await db.add_pool(held=1000), held=1_000)
    numbers = db.generated_numbers(SINGLES + BULK)
    for number in numbers[:SINGLES]:
        await db.accept(client, numbers=[number])
    await db.accept(client, numbers=numbers[SINGLES:])
    return client


async def settles(client: db.Tenant, simulator: Simulated) -> dict[str, int]:
    """Another dispatcher takes over. Returns the final statuses, checked with the provider's
    log."""

    async def is_settled() -> bool:
        return set(await db.statuses()) <= {"SENT", "UNKNOWN"}

    async with stopwatch() as watch:
        async with dispatching(Opened(simulator.provider)):
            await eventually(is_settled)
        assert watch.seconds < QUICK.lease_seconds + 5
    taken = Counter(await simulator.took())
    assert not taken or max(taken.values()) == 1, "no message is accepted twice"
    rows = await db.fetch("SELECT number, status FROM message")
    sent = {row["number"] for row in rows if row["status"] == "SENT"}
    assert sent <= set(taken), "what is SENT was accepted"
    unknown = {row["number"] for row in rows if row["status"] == "UNKNOWN"}
    assert set(taken) - sent <= unknown, "what was accepted is SENT or UNKNOWN"
    assert await db.held(client.account_id) == 1_000 - SINGLES - BULK
    await db.assert_audit_holds()
    return await db.statuses()


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_dispatcher_killed_at_any_stage_submits_nothing_twice_and_loses_nothing(
    connected: str, stage: Stage
) -> None:
    client = await queue_up()
    async with simulated(deadline_seconds=QUICK.deadline_seconds) as simulator:
        async with dispatcher(connected, simulator.base_url, dies_at=stage) as program:
            await dies(program)
        taken_before = len(await simulator.took())
        statuses = await settles(client, simulator)
    if stage is Stage.PICKED:
        assert (taken_before, statuses) == (0, {"SENT": SINGLES + BULK})
    if stage is Stage.MARKED:
        # Nothing was submitted, but the other dispatcher cannot know that.
        assert taken_before == 0
        assert statuses["UNKNOWN"] == SINGLES + BULK
    if stage in (Stage.ANSWERED, Stage.RECORDING):
        assert statuses["UNKNOWN"] >= taken_before > 0


async def test_a_dispatcher_killed_after_the_provider_accepted_leaves_the_messages_unknown(
    connected: str,
) -> None:
    client = await queue_up()
    async with simulated(deadline_seconds=QUICK.deadline_seconds) as simulator:
        await simulator.control("fault", kind="hang_after", times=None, seconds=60)
        async with dispatcher(connected, simulator.base_url) as program:
            await simulator.has_seen(1 + SINGLES)
            program.send_signal(signal.SIGKILL)
            await dies(program)
        await simulator.control("reset")
        taken = await simulator.took()
        assert len(taken) > SINGLES
        statuses = await settles(client, simulator)
        assert statuses["UNKNOWN"] >= len(taken)
        assert len(await simulator.took()) == statuses.get("SENT", 0) + len(taken)
