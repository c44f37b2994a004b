"""What waits is counted over all tenants, and from when it was accepted."""

from __future__ import annotations

from persistence import store
from tests import worlds


async def test_nothing_waits_in_an_empty_database(database_url: str) -> None:
    async with worlds.connected(database_url):
        pool = await worlds.add_pool()
        found = await store.read_backlog()
    assert (found.queued, found.oldest_seconds, found.in_doubt, found.events) == (0, 0, 0, 0)
    assert found.paused == {pool.id: False}


async def test_what_waits_is_counted_and_the_oldest_by_its_acceptance(database_url: str) -> None:
    async with worlds.connected(database_url):
        pool = await worlds.add_pool()
        one, other = await worlds.add_client(pool), await worlds.add_client(pool, name="Other")
        await worlds.accept(one, 3)
        doubtful = await worlds.accept(other, 2)
        await worlds.execute("UPDATE message SET created_at = now() - interval '1 hour'")
        await worlds.execute(
            "UPDATE message SET status = 'UNKNOWN', attempt_id = id WHERE send_id = $1", doubtful.id
        )
        await worlds.execute("UPDATE provider_account SET paused_at = now()")
        found = await store.read_backlog()
    assert (found.queued, found.in_doubt) == (3, 2)
    assert 3_600 <= found.oldest_seconds < 3_700
    assert found.paused == {pool.id: True}
