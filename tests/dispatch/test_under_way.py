"""A crash leaves a limited number of messages UNKNOWN: those submitted and not yet recorded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from domain.dispatch.messages import Queued
from domain.provider import Accepted, Outcome, OutgoingMessage
from domain.sending.messages import SendKind
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, Scripted, dispatching, eventually, statuses_become

pytestmark = pytest.mark.usefixtures("connected")

RULES = replace(QUICK, deadline_seconds=20.0, lease_seconds=40.0)


class HeldProvider(Scripted):
    """A provider that answers nothing until it is released."""

    def __init__(self, largest_batch: int = 100) -> None:
        super().__init__(largest_batch=largest_batch)
        self.released = asyncio.Event()

    async def send_many(self, messages: list[OutgoingMessage]) -> list[Outcome]:  # type: ignore[override]
        self.calls.append(messages)
        await self.released.wait()
        return [Accepted(None)] * len(messages)

    async def send(self, message: OutgoingMessage) -> Outcome:
        return (await self.send_many([message]))[0]


async def submitted() -> int:
    """How many messages a crash at this moment would leave UNKNOWN."""
    return (await db.statuses()).get("SUBMITTING", 0)


@pytest.mark.parametrize("largest_batch", [100, 1_000, 7])
async def test_at_most_400_messages_are_submitted_and_not_recorded(largest_batch: int) -> None:
    pool = await db.add_pool(held=10_000)
    for name in ("A", "B"):
        await db.accept(await db.add_client(pool, held=2_000, name=name), 1_000)
    provider = HeldProvider(largest_batch)
    async with dispatching(provider, rules=RULES):
        expected = min(4 * 96, 12 * largest_batch)

        async def full() -> bool:
            return await submitted() == expected

        await eventually(full)
        for _ in range(20):  # several looks of the dispatcher later it is still the same
            await asyncio.sleep(0.01)
            assert await submitted() == expected
        provider.released.set()

        async def all_sent() -> bool:
            assert await submitted() <= 400
            return await db.statuses() == {"SENT": 2_000}

        await eventually(all_sent)


async def test_a_claim_locks_no_more_messages_than_it_may_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = await db.add_pool(held=10_000)
    await db.accept(await db.add_client(pool, held=2_000), 1_000)
    pick, locked = store.pick_messages, []

    async def counted(*given: Any, **named: Any) -> list[Queued]:
        picked = await pick(*given, **named)
        locked.append(len(picked))
        return picked

    monkeypatch.setattr(store, "pick_messages", counted)
    async with dispatching(Scripted(), rules=RULES):
        await statuses_become({"SENT": 1_000})
    assert sum(locked) == 1_000


async def test_answers_that_are_not_recorded_yet_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = await db.add_pool(held=10_000)
    await db.accept(await db.add_client(pool, held=2_000), 1_000)
    recording = asyncio.Event()
    end_attempts = store.end_attempts

    async def slow_end_attempts(*given: object) -> None:
        await recording.wait()
        await end_attempts(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "end_attempts", slow_end_attempts)
    provider = Scripted()
    async with dispatching(provider, rules=RULES):

        async def all_answered() -> bool:
            return len(provider.seen) == 384 and provider.open_calls == 0

        await eventually(all_answered)
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert len(provider.seen) == 384
        recording.set()
        await statuses_become({"SENT": 1_000})


async def test_a_single_message_goes_although_bulk_is_at_its_limit() -> None:
    client = await db.add_client(await db.add_pool(held=10000), held=2_000)
    await db.accept(client, 1_000)
    provider = HeldProvider()
    async with dispatching(provider, rules=RULES):

        async def full() -> bool:
            return await submitted() == 384

        await eventually(full)
        await db.accept(client, kind=SendKind.SINGLE)

        async def one_more() -> bool:
            return await submitted() == 385

        await eventually(one_more)
        assert len(provider.calls[-1]) == 1
        provider.released.set()
