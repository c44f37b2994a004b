"""The queue of a client that may not send waits, and continues when it may."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from domain.provider import Accepted, Outcome, OutgoingMessage
from tests import db
from tests.dispatch.parts import QUICK, Scripted, accepts, dispatching, statuses_become

SLOWLY = replace(QUICK, calls_at_once=4, messages_under_way=40)


async def test_nothing_leaves_while_a_client_is_suspended(connected: str) -> None:
    pool = await db.add_pool()
    anne, bob = await db.add_client(pool, held=1_000), await db.add_client(pool)
    send = await db.accept(anne, 300)
    suspended = asyncio.Event()

    async def suspends(message: OutgoingMessage) -> Outcome:
        provider.answer = accepts
        suspend = "UPDATE client SET status = 'SUSPENDED' WHERE id = $1"
        await db.execute(suspend, anne.client_id)
        suspended.set()
        return Accepted("ref")

    async def seen_when_bob_has_sent() -> int:
        single = await db.accept(bob)
        await statuses_become({"SENT": 1}, of=single.id)
        return len(provider.seen)

    provider = Scripted(suspends, largest_batch=10)
    async with dispatching(provider, rules=SLOWLY):
        await suspended.wait()
        seen = await seen_when_bob_has_sent()
        assert seen < 300
        assert await seen_when_bob_has_sent() == seen + 1
        await db.execute("UPDATE client SET status = 'ACTIVE'")
        await statuses_become({"SENT": 300}, of=send.id)
    assert len(provider.seen) == 302
    await db.assert_audit_holds()
