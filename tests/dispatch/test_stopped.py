"""A dispatcher that is stopped between its mark and its call, and wakes up later."""

from __future__ import annotations

import signal
import sys

import pytest

from domain.dispatch.recording import sweep
from domain.dispatch.rules import Observer, Stage
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, eventually, statuses_become
from tests.dispatch.programs import dispatcher, stands_still
from tests.providers.simulated import simulated

pytestmark = [
    pytest.mark.usefixtures("connected"),
    pytest.mark.skipif(sys.platform != "linux", reason="asks /proc whether a program is stopped"),
]


async def a_client() -> db.Tenant:
    pool = await db.add_pool()
    return await db.add_client(pool, held=100)


async def mark_is_old() -> bool:
    """Whether more than lease - deadline has passed since the mark."""
    rows = await db.fetch(
        "SELECT 1 FROM attempt WHERE started_at < clock_timestamp() - make_interval(secs => $1)",
        QUICK.start_within_seconds + 0.1,
    )
    return bool(rows)


async def test_a_dispatcher_that_wakes_too_late_starts_no_call_and_returns_the_message(
    connected: str,
) -> None:
    client = await a_client()
    async with (
        simulated(deadline_seconds=QUICK.deadline_seconds) as simulator,
        dispatcher(connected, simulator.base_url, stops_at=Stage.MARKED) as program,
    ):
        await db.accept(client, 3)
        await stands_still(program)
        assert await db.statuses() == {"SUBMITTING": 3}
        # Without this, a slow machine could need so long that the message is swept instead.
        await db.execute("UPDATE attempt SET lease_until = now() + interval '1 min'")
        await eventually(mark_is_old)
        program.send_signal(signal.SIGCONT)
        await statuses_become({"SENT": 3})
        outcomes = await db.fetch("SELECT outcome FROM attempt ORDER BY started_at")
        assert [row["outcome"] for row in outcomes] == ["NOT_SENT", "ACCEPTED"]
        assert len(await simulator.log()) == 1
        assert len(await simulator.took()) == 3


async def test_a_dispatcher_that_wakes_after_the_sweep_starts_no_call(connected: str) -> None:
    client = await a_client()
    async with (
        simulated(deadline_seconds=QUICK.deadline_seconds) as simulator,
        dispatcher(connected, simulator.base_url, stops_at=Stage.MARKED) as program,
    ):
        await db.accept(client, 3)
        await stands_still(program)

        async def swept() -> bool:
            await sweep(store, Observer())
            return await db.statuses() == {"UNKNOWN": 3}

        await eventually(swept)
        assert await db.held(client.account_id) == 97
        program.send_signal(signal.SIGCONT)
        await statuses_become({"REJECTED": 3})
        assert await db.held(client.account_id) == 100
        assert await simulator.log() == []
        await db.assert_audit_holds()


async def test_a_dispatcher_that_wakes_in_time_makes_the_call(connected: str) -> None:
    client = await a_client()
    async with (
        simulated(deadline_seconds=QUICK.deadline_seconds) as simulator,
        dispatcher(connected, simulator.base_url, stops_at=Stage.MARKED) as program,
    ):
        await db.accept(client)
        await stands_still(program)
        program.send_signal(signal.SIGCONT)
        await statuses_become({"SENT": 1})
        assert len(await simulator.log()) == 1
