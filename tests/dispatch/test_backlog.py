"""The figures of /metrics cover all tenants."""

from __future__ import annotations

from persistence import store
from tests import db


async def test_nothing_waits_in_an_empty_database(database_url: str) -> None:
    async with db.connected(database_url):
        pool = await db.add_pool()
        found = await store.read_backlog()
        paused = await store.paused_accounts()
    assert (found.queued, found.oldest_seconds, found.unknown, found.events) == (0, 0, 0, 0)
    assert paused == {pool.id: False}


async def test_queued_messages_are_counted_with_the_age_of_the_oldest(database_url: str) -> None:
    async with db.connected(database_url):
        pool = await db.add_pool()
        one, other = await db.add_client(pool), await db.add_client(pool, name="Other")
        await db.accept(one, 3)
        unknown = await db.accept(other, 2)
        await db.accept(other, 1)
        # A message that is tried again in a minute does not wait yet.
        await db.execute("UPDATE message SET due_at = now() + interval '1 minute'")
        await db.execute(
            "UPDATE message SET due_at = now() - interval '1 hour' WHERE client_id <> $1"
            " OR id IN (SELECT id FROM message WHERE client_id = $1 ORDER BY id LIMIT 1)",
            one.client_id,
        )
        await db.execute(
            "UPDATE message SET status = 'UNKNOWN', attempt_id = id WHERE send_id = $1", unknown.id
        )
        await db.execute("UPDATE provider_account SET paused_at = now()")
        found, paused = await store.read_backlog(), await store.paused_accounts()
    assert (found.queued, found.unknown) == (4, 2)
    assert 3_600 <= found.oldest_seconds < 3_700
    assert paused == {pool.id: True}
