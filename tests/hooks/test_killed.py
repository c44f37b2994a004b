"""kill -9 of a worker in the middle of its deliveries. The receiver's log shows what arrived."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE

from domain import ids
from domain.ids import Kind
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.hooks.conftest import (
    HookSetup,
    change_status,
    deliveries,
    end_leases,
    message_ids,
    until,
)
from tests.hooks.receiver import Received
from tests.installations import ENCRYPTION_KEY

STATUSES = ["UNKNOWN", "SENT", "DELIVERED"]


async def test_a_killed_worker_loses_nothing_and_breaks_no_order(
    setup: HookSetup, connected: str
) -> None:
    await setup.endpoint()
    send = await db.accept(setup.tenant, 20)
    messages = await message_ids(send.id)
    for each in messages:
        await change_status(each, "SUBMITTING", *STATUSES)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hooks.program", connected, ENCRYPTION_KEY, stdout=PIPE
    )

    def kill_at_the_fifteenth(_: Received) -> int:
        if len(setup.receiver.received) == 15:
            program.kill()
        return 200

    setup.receiver.answers["/"] = kill_at_the_fifteenth
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await program.wait() == -signal.SIGKILL
    undelivered = await deliveries(status="PENDING")
    assert undelivered
    await end_leases()
    async with setup.worker():
        await until(_all_delivered)
    for each in messages:
        about = [
            received.event["data"]["status"]
            for received in setup.receiver.at("/")
            if received.event["data"]["id"] == ids.encode(Kind.MESSAGE, each)
        ]
        # At least once: what was posted and not recorded comes again, before what follows.
        assert list(dict.fromkeys(about)) == STATUSES
        assert sorted(about, key=STATUSES.index) == about


async def _all_delivered() -> bool:
    return {row["status"] for row in await deliveries()} == {"DELIVERED"}
