"""A change that a subscriber has missed is reported, also if it came between two connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.ids import Kind
from tests import db
from tests.faults.status_watchers import QUICK_SECONDS, MessageWatcher
from tests.faults.watchers import events_of

IDS = "SELECT id FROM message ORDER BY id"
SENT = """
UPDATE message SET status = 'SENT', attempt_id = gen_random_uuid(), updated_at = now() WHERE id = $1
"""


@pytest.fixture
async def watcher(database_url: str) -> AsyncIterator[MessageWatcher]:
    """A front end that has received the first of two messages. Then the second one changes."""
    async with db.connected(database_url):
        client = await db.add_client(await db.add_pool(held=100))
        await db.accept(client, 2)
        watcher = MessageWatcher([], "", client.account_id, events_of)
        watcher.connected()
        await change(0)
        await watcher.receive(await event(0))
        await change(1)
        yield watcher


async def test_a_change_is_missed_if_a_quick_reconnect_does_not_deliver_it(
    watcher: MessageWatcher,
) -> None:
    watcher.received_at += 1_000  # however slow this machine is
    watcher.connected()
    assert len(await watcher.missed()) == 1
    await watcher.receive(await event(1))
    assert await watcher.missed() == []


async def test_after_a_long_pause_a_front_end_starts_again(watcher: MessageWatcher) -> None:
    watcher.received_at -= 2 * QUICK_SECONDS
    watcher.connected()
    assert watcher.since is None
    assert await watcher.missed() == []


async def change(place: int) -> None:
    await db.execute(SENT, await message_id(place))


async def event(place: int) -> dict[str, Any]:
    encoded = ids.encode(Kind.MESSAGE, await message_id(place))
    return {"data": {"messageUpdated": {"id": encoded, "status": "SENT"}}}


async def message_id(place: int) -> UUID:
    found: UUID = (await db.fetch(IDS))[place]["id"]
    return found
