"""Months that are over: what was sent to a number is read from `message`, with the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.errors import AlreadyRunning
from domain.identity.access import Everything, OfClient, Scope
from domain.inbox.capture import capture_contacts
from domain.inbox.messages import NewInbound
from domain.pages import Window
from domain.retention.retention import RowKind
from domain.retention.rules import Clients
from domain.sending.lists import MessageFilter
from ibiki.all_in_one import close_nightly
from ibiki.retention import erase
from persistence import database, store
from persistence.closing import close_months
from persistence.inbox import erasing
from persistence.partitions import read_partitions
from tests import aging, db
from tests.locks import blocked, locked
from tests.persistence.months import live_for

NOW = datetime.now(UTC)
MONTHS = 6
AGES = [130, 70, 45, 0]
"""Days. The last two are of months that are open, or may be."""

PHONE = "+12025550123"
INDEXES = """
SELECT relname AS name, indisvalid AS valid FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid WHERE starts_with(relname, 'message_to_number_')
"""
# Indexes of tables that get new entries between old ones.
SPARSE = """
SELECT relname AS name, relfilenode AS file, indisvalid AS valid
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid IN ('message'::regclass, 'contact'::regclass)
  AND NOT starts_with(relname, 'message_to_number_') ORDER BY 1
"""


@pytest.fixture
async def clients(database_url: str) -> AsyncIterator[list[db.Tenant]]:
    """Both have sent to the number in several months."""
    await live_for(MONTHS, database_url)
    async with db.connected(database_url):
        pool = await db.add_pool(held=1000)
        tenants = [await db.add_client(pool, held=100) for _ in range(2)]
        for age in AGES:
            for each in tenants:
                await db.accept(each, numbers=[PHONE])
                await db.accept(each)
            await capture_contacts(store)
            await aging.make_older(database_url, age)
        await db.execute("UPDATE message SET status = 'SENT', due_at = NULL, attempt_id = id")
        yield tenants


async def answers(clients: list[db.Tenant]) -> list[object]:
    """What is known of the messages to the number."""
    scopes: list[Scope] = [Everything(), *(OfClient(each.client_id) for each in clients)]
    window: Window[UUID] = Window(5)
    only = MessageFilter(number=PHONE)
    pairs = [(each.client_id, PHONE) for each in clients]
    first = await conversations_of(clients)
    async with database.connection() as held:
        since = NOW - timedelta(days=150)
        return [
            [await store.read_messages(scope, window, filter=only) for scope in scopes],
            [await store.read_any_messages(scope, window, filter=only) for scope in scopes],
            await store.read_messages_of_conversations(Everything(), pairs, window),
            await store.find_correspondents(held, [PHONE]),
            await store.read_candidates(held, senders=[PHONE], receivers=[], lines=[]),
            await store.asked_lately(held, pairs, seconds=(NOW - since).total_seconds()),
            await store.upstreams_queued_to(held, pairs),
            [await held.fetch(erasing.LAST_SHOWN, *pair) for pair in pairs],
            first,
        ]


async def conversations_of(clients: list[db.Tenant]) -> list[object]:
    """The last messages of the conversations that an early message of the number would begin."""
    found: list[object] = []
    with suppress(LookupError):
        async with database.transaction() as tx:
            new = [
                NewInbound(UUID(int=at), each.client_id, PHONE, "Hello", NOW)
                for at, each in enumerate(clients)
            ]
            await store.write_inbound(tx, [(each, 1) for each in new])
            rows = await tx.fetch("SELECT client_id, last_message_id FROM conversation ORDER BY 1")
            found.extend(rows)
            raise LookupError
    return found


async def months() -> list[str]:
    async with database.connection() as held:
        return [each.name for each in await read_partitions(held, ["sent_to"])]


async def test_closed_months_have_the_same_answers(
    clients: list[db.Tenant], database_url: str
) -> None:
    before, parts = await answers(clients), await months()
    gone = await close_months(database_url, NOW)
    assert gone == parts[: len(gone)]
    assert MONTHS - 2 <= len(gone) <= MONTHS - 1
    assert await months() == parts[len(gone) :]
    assert await answers(clients) == before
    (index,) = await db.fetch(INDEXES)
    assert await close_months(database_url, NOW) == []
    assert await db.fetch(INDEXES) == [index]
    later = NOW + timedelta(days=100)
    assert await close_months(database_url, later) == parts[len(gone) : MONTHS]
    assert await answers(clients) == before
    (next_index,) = await db.fetch(INDEXES)
    assert next_index["name"] > index["name"]
    assert next_index["valid"]


async def test_closed_months_can_be_erased(clients: list[db.Tenant], database_url: str) -> None:
    assert await close_months(database_url, NOW)
    steps = [
        step
        async for kind, step in erase(store, PHONE, Clients(), dry_run=False, rest=0)
        if kind is RowKind.MESSAGES
    ]
    assert sum(each.rows for step in steps for each in step.found) == len(AGES) * len(clients)
    for table in ("message", "all_sent_to"):
        assert await db.fetch(f"SELECT FROM {table} WHERE number = $1", PHONE) == []


async def test_readers_meet_a_month_that_is_being_closed(
    clients: list[db.Tenant], database_url: str
) -> None:
    before, done = await answers(clients), asyncio.Event()

    async def reading() -> int:
        reads = 0
        while not done.is_set() or reads < 20:
            assert await answers(clients) == before
            reads += 1
        return reads

    readers = [asyncio.create_task(reading()) for _ in range(2)]
    closing = (close_months(database_url, NOW) for _ in range(3))
    gone = await asyncio.gather(*closing, return_exceptions=True)
    done.set()
    assert min(await asyncio.gather(*readers)) >= 20
    assert len(await db.fetch(INDEXES)) == 1
    assert [each for each in gone if each and isinstance(each, list)]
    assert all(isinstance(each, list | AlreadyRunning) for each in gone)


async def test_a_month_stays_while_numbers_are_not_captured(
    clients: list[db.Tenant], database_url: str
) -> None:
    late = await db.accept(clients[0], 3)
    await aging.make_older(database_url, 70)
    parts = await months()
    gone = await close_months(database_url, NOW)
    assert gone == parts[: len(gone)]
    assert len(gone) < MONTHS - 2
    await capture_contacts(store)
    assert await close_months(database_url, NOW)
    assert await db.fetch("SELECT FROM sent_to_default") == []
    page = await store.read_messages(
        OfClient(clients[0].client_id), Window(9), filter=MessageFilter(number=late.numbers[2])
    )
    assert len(page.items) == 1


async def test_up_closes_months_once_a_night(clients: list[db.Tenant], database_url: str) -> None:
    await db.accept(clients[0])
    await aging.make_older(database_url, 70)
    parts = await months()
    assert not await close_nightly(database_url)
    kept = await months()
    assert len(kept) < len(parts)
    await capture_contacts(store)
    assert not await close_nightly(database_url)
    assert await months() == kept


async def test_an_interrupted_build_is_done_again(
    clients: list[db.Tenant], database_url: str
) -> None:
    before = await answers(clients)
    async with locked(database_url, "UPDATE message SET in_part = in_part"):
        building = asyncio.create_task(close_months(database_url, NOW))
        await blocked(building)
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
    assert [row["valid"] for row in await db.fetch(INDEXES)] == [False]
    assert await close_months(database_url, NOW)
    assert [row["valid"] for row in await db.fetch(INDEXES)] == [True]
    assert await answers(clients) == before


async def test_indexes_are_rebuilt_once_for_each_closed_month(
    clients: list[db.Tenant], database_url: str
) -> None:
    before, old = await answers(clients), await db.fetch(SPARSE)
    await close_months(database_url, NOW)
    new = await db.fetch(SPARSE)
    assert [row["name"] for row in new] == [row["name"] for row in old]
    assert {row["file"] for row in new}.isdisjoint(row["file"] for row in old)
    assert await answers(clients) == before
    await close_months(database_url, NOW)
    assert await db.fetch(SPARSE) == new
    assert await close_months(database_url, NOW + timedelta(days=100))
    assert {row["file"] for row in await db.fetch(SPARSE)}.isdisjoint(row["file"] for row in new)


async def test_an_interrupted_rebuild_is_done_again(
    clients: list[db.Tenant], database_url: str
) -> None:
    old = await db.fetch(SPARSE)
    async with locked(database_url, "UPDATE contact SET business = business"):
        closing = asyncio.create_task(close_months(database_url, NOW))
        await blocked(closing)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
    left = await db.fetch(SPARSE)
    assert [row["name"] for row in left if not row["valid"]] == ["contact_by_client_ccnew"]
    assert await close_months(database_url, NOW) == []
    new = await db.fetch(SPARSE)
    assert [row["name"] for row in new] == [row["name"] for row in old]
    assert {row["file"] for row in new}.isdisjoint(row["file"] for row in old)
