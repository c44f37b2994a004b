"""Changes are found in the order of transactions: no clock, no tie and no slow commit hides one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from domain.identity.access import Everything
from domain.live import hints
from domain.live.ports import ChangePage, ChangePosition
from persistence.live import changes
from tests import db
from tests.inbox import post

MANY = 2_001
"""More than two pages, all changed by one transaction, at the same microsecond."""

INSERT = """
INSERT INTO conversation (id, client_id, number, last_message_id, last_inbound_id)
SELECT gen_random_uuid(), $1, '+1202555' || lpad(n::text, 4, '0'), gen_random_uuid(),
       gen_random_uuid()
FROM generate_series(1, $2::int) AS n
"""
CHANGE_ALL = "UPDATE conversation SET updated_at = now()"
SHOWN = "UPDATE webhook_event SET received_at = now() {} interval '1 hour'"
CHANGE_IN_THE_PAST = "UPDATE conversation SET updated_at = updated_at - interval '1 hour'"


@pytest.fixture
async def before(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ChangePosition]:
    """The position after many conversations were made, and before any of them changed."""
    monkeypatch.setattr(changes, "MOST_CHANGED", 1_000)
    async with db.connected(database_url):
        client = await db.add_client()
        await db.execute(INSERT, client.client_id, MANY)
        yield await changes.position()


def changed(page: ChangePage) -> list[tuple[UUID, int]]:
    """Without rows that are only new: other tests' transactions may have them read again."""
    return [(id, version) for id, version in page.versions.items() if version]


async def read_all(after: ChangePosition) -> list[tuple[UUID, int]]:
    """The ID and version of all that has changed after a position, page by page."""
    found: list[tuple[UUID, int]] = []
    position: ChangePosition | None = after
    while position is not None:
        page = await changes.read_changes([Everything()], hints.CONVERSATION, position)
        found += changed(page)
        position = page.last
    return found


async def test_changes_with_one_time_are_all_found_across_pages(before: ChangePosition) -> None:
    await db.execute(CHANGE_ALL)
    found = await read_all(before)
    assert len(dict(found)) == len(found) == MANY
    assert {version for _, version in found} == {1}


async def test_a_change_is_found_if_the_clock_was_set_back(before: ChangePosition) -> None:
    await db.execute(CHANGE_IN_THE_PAST)
    found = await read_all(before)
    assert len(found) == MANY
    assert {version for _, version in found} == {1}


async def test_a_change_that_is_committed_late_is_found(
    before: ChangePosition, database_url: str
) -> None:
    slow = await asyncpg.connect(database_url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(CHANGE_ALL)
    await db.execute("INSERT INTO access_change (id, subject_id) VALUES ($1, $1)", UUID(int=1))
    page = await changes.read_changes([Everything()], hints.CONVERSATION, before)
    assert changed(page) == []
    await transaction.commit()
    await slow.close()
    assert len(await read_all(page.complete_to)) == MANY


@pytest.mark.parametrize("by_time", [False, True])
async def test_recent_changes_end_with_the_newest(
    before: ChangePosition, monkeypatch: pytest.MonkeyPatch, by_time: bool
) -> None:
    await db.execute(CHANGE_ALL)
    newest = await db.fetch("UPDATE conversation SET updated_at = now() RETURNING id")
    monkeypatch.setattr(changes, "MOST_RECENT", 3)
    after = 60.0 if by_time else before
    found = await changes.recent_changes(Everything(), hints.CONVERSATION, after)
    assert list(found) == sorted(row["id"] for row in newest)[-3:]


async def test_a_recent_change_is_found_by_its_position_if_its_commit_was_late(
    before: ChangePosition,
) -> None:
    # Its transaction has changed the rows an hour ago, and is committed now.
    await db.execute(CHANGE_IN_THE_PAST)

    async def count(after: ChangePosition | float) -> int:
        return len(await changes.recent_changes(Everything(), hints.CONVERSATION, after))

    assert await count(before) == MANY
    assert await count(60.0) == 0


async def test_rows_of_another_server_count_as_unchanged_until_they_change(
    before: ChangePosition,
) -> None:
    # As after a restore from a dump: transaction IDs that this server has not reached.
    await db.execute("ALTER TABLE conversation DISABLE TRIGGER conversation_changed")
    await db.execute("UPDATE conversation SET changed_xid = changed_xid + 1000000000")
    await db.execute("ALTER TABLE conversation ENABLE TRIGGER conversation_changed")
    assert await read_all(before) == []
    for after in (before, 60.0):
        assert await changes.recent_changes(Everything(), hints.CONVERSATION, after) == []
    await db.execute(CHANGE_ALL)
    assert len(await read_all(before)) == MANY


async def test_reading_starts_before_an_event_that_is_shown_later_without_a_change(
    before: ChangePosition,
) -> None:
    (id,) = await post.stored(post.inbound("Hello"))
    await db.execute(SHOWN.format("+"))
    [event] = await db.fetch("SELECT changed_xid FROM webhook_event")
    position = await changes.position(hints.EVENT)
    assert position <= ChangePosition(event["changed_xid"])
    page = await changes.read_changes([Everything()], hints.EVENT, position)
    assert page.versions == {}
    await db.execute(SHOWN.format("-"))
    page = await changes.read_changes([Everything()], hints.EVENT, page.complete_to)
    assert [*page.versions] == [id]
