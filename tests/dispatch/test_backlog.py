"""The figures of /metrics cover all tenants."""

from __future__ import annotations

from persistence import store
from tests import worlds


async def test_nothing_waits_in_an_empty_database(database_url: str) -> None:
    async with worlds.connected(database_url):
        pool = await worlds.add_pool()
        found = await store.read_backlog()
        paused = await store.paused_accounts()
    assert (found.queued, found.oldest_seconds, found.unknown, found.events) == (0, 0, 0, 0)
    assert paused == {pool.id: False}


async def test_queued_messages_are_counted_with_the_age_of_the_oldest(database_url: str) -> None:
    async with worlds.connected(database_url):
        pool = await worlds.add_pool()
        one, other = await worlds.add_client(pool), await worlds.add_client(pool, name="Other")
        await worlds.accept(one, 3)
        unknown = await worlds.accept(other, 2)
        await worlds.accept(other, 1)
        # A message that is tried again in a minute does not wait yet.
        await worlds.execute("UPDATE message SET due_at = now() + interval '1 minute'")
        await worlds.execute(
            "UPDATE message SET due_at = now() - interval '1 hour' WHERE client_id <> $1"
            " OR id IN (SELECT id FROM message WHERE client_id = $1 ORDER BY id LIMIT 1)",
            one.client_id,
        )
        await worlds.execute(
            "UPDATE message SET status = 'UNKNOWN', attempt_id = id WHERE send_id = $1", unknown.id
        )
        await worlds.execute("UPDATE provider_account SET paused_at = now()")
        found, paused = await store.read_backlog(), await store.paused_accounts()
    assert (found.queued, found.unknown) == (4, 2)
    assert 3_600 <= found.oldest_seconds < 3_700
    assert paused == {pool.id: True}
