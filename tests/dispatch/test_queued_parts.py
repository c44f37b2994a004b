"""Bulks wait as parts of the queue: their messages have no entry in its index, and none is missed.

docs/decisions/0181.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.dispatch.fairness import BULK, NO_TENANT, REPLIES, SINGLES
from domain.dispatch.messages import BEGINNING, EVER_SECONDS, QueuePosition, Quota
from domain.identity.access import Everything, OfClient
from domain.ledger.audit import audit, new_audit
from domain.ledger.balances import BalanceView, PlatformBalance
from domain.pages import Window
from domain.provider import NotSent
from domain.sending.accept import AcceptedNow, accept_alone
from domain.sending.lists import MessageFilter, Period
from domain.sending.messages import MessageStatus
from persistence import store
from persistence.dispatch.queue import ACCOUNTS_WITH_QUEUE, BULK_WAITING, PICK_BULK
from persistence.inbox.messages import read_any_messages
from persistence.sending import parts
from persistence.sending.messages import read_messages, read_messages_of_sends
from persistence.sending.stats import read_message_stats
from persistence.servers import credentials
from tests import db
from tests.dispatch.parts import answered, marked, pages_read

pytestmark = pytest.mark.usefixtures("connected_to_new")

ALL = {REPLIES: NO_TENANT, SINGLES: NO_TENANT, BULK: NO_TENANT}
HOUR = timedelta(hours=1)
AS_BEFORE = "UPDATE message SET in_part = NULL"
"""As the previous release wrote it: every message has an entry in the index of the queue."""


@pytest.fixture
async def client() -> db.Tenant:
    return await db.add_client(held=100_000)


async def parts_of(send_id: UUID) -> list[tuple[int, int]]:
    """The parts of a send: their first and last message, counted from 1."""
    rows = await db.fetch("SELECT * FROM queued_part WHERE send_id = $1 ORDER BY 1", send_id)
    return [(row["first_id"].int - send_id.int, row["last_id"].int - send_id.int) for row in rows]


async def has_flags(send_id: UUID) -> set[bool | None]:
    rows = await db.fetch("SELECT in_part FROM message WHERE send_id = $1", send_id)
    return {row["in_part"] for row in rows}


async def pick(
    client: db.Tenant, count: int, position: QueuePosition = BEGINNING
) -> Sequence[UUID]:
    """Messages that would be picked now; nothing stays locked."""
    async with store.transaction() as tx:
        quotas = [Quota(BULK, client.client_id, count, position)]
        return [each.id for each in await store.pick_messages(tx, client.pool.id, quotas)]


async def test_a_bulk_for_now_is_one_part(client: db.Tenant) -> None:
    send = await db.accept(client, 5)
    assert await parts_of(send.id) == [(1, 5)]
    assert await has_flags(send.id) == {True}


async def test_a_bulk_that_is_scheduled_held_routed_or_small_is_none(
    client: db.Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = datetime.now(UTC) + HOUR
    scheduled = await db.accept(client, 3, send_at=later)
    held = db.new_send(client, 3)
    held.held_until = [None, later, None]
    assert isinstance(await accept_alone(store, held), AcceptedNow)
    monkeypatch.setattr(parts, "LEAST_OF_PART", 4)
    small = await db.accept(client, 3)
    for send in (scheduled, held, small):
        assert await has_flags(send.id) == {None}
        assert await parts_of(send.id) == []


async def test_a_part_begins_at_its_first_message_and_ends_with_its_last(
    client: db.Tenant,
) -> None:
    send = await db.accept(client, 5)
    ids = send.message_ids
    await store.shorten_parts()
    assert await parts_of(send.id) == [(1, 5)]
    await db.execute("UPDATE message SET status = 'CANCELLED' WHERE id = ANY($1)", ids[:2])
    await store.shorten_parts()
    assert await parts_of(send.id) == [(3, 5)]
    await db.execute("UPDATE message SET status = 'CANCELLED' WHERE id = $1", ids[4])
    await store.shorten_parts()
    assert await parts_of(send.id) == [(3, 5)]
    await db.execute("UPDATE message SET status = 'CANCELLED'")
    await store.shorten_parts()
    assert await parts_of(send.id) == []


async def test_what_a_claim_has_not_committed_stays_in_its_part(
    client: db.Tenant, new_database_url: str
) -> None:
    send = await db.accept(client, 5)
    connection = await asyncpg.connect(**credentials(new_database_url))
    claim = connection.transaction()
    await claim.start()
    await connection.execute(
        "UPDATE message SET status = 'SUBMITTING', attempts = 1, attempt_id = id"
    )
    await store.shorten_parts()
    await claim.rollback()
    await connection.close()
    assert await parts_of(send.id) == [(1, 5)]
    assert await pick(client, 9) == send.message_ids


async def test_several_dispatchers_shorten_the_same_parts_at_once(client: db.Tenant) -> None:
    for _ in range(10):
        await db.accept(client, 3)
    await db.execute("UPDATE message SET status = 'CANCELLED' WHERE random() < 0.6")
    await asyncio.gather(*(store.shorten_parts() for _ in range(5)))
    await store.shorten_parts()
    first = await db.fetch(
        "SELECT DISTINCT ON (send_id) id FROM message WHERE status = 'QUEUED' ORDER BY send_id, id"
    )
    rows = await db.fetch("SELECT first_id AS id FROM queued_part ORDER BY 1")
    assert rows == first


async def test_a_pick_takes_the_oldest_from_parts_and_from_the_index(
    client: db.Tenant,
) -> None:
    """In the order of `due_at` and ID, from any position on, whatever left the parts before."""
    chosen = random.Random(1)
    sends = [await db.accept(client, 8) for _ in range(4)]
    await store.shorten_parts()
    for send in sends[1:3]:
        for each in chosen.sample(list(send.message_ids), 4):
            await db.execute(
                "UPDATE message SET attempts = 1, due_at = now() - $2::interval WHERE id = $1",
                each,
                timedelta(minutes=chosen.randint(0, 3)),
            )
    await db.execute(
        "UPDATE message SET due_at = due_at - interval '2 min' WHERE send_id = $1", sends[0].id
    )
    await db.execute(
        "UPDATE queued_part SET due_at = due_at - interval '2 min' WHERE send_id = $1", sends[0].id
    )
    rows = await db.fetch("SELECT id, due_at FROM message ORDER BY due_at, id")
    ids = [row["id"] for row in rows]
    for at, row in enumerate(rows):
        count = chosen.randint(1, 12)
        position = QueuePosition(row["due_at"], row["id"])
        assert await pick(client, count, position) == ids[at : at + count]
    assert await pick(client, 99) == ids


async def test_a_message_that_was_not_taken_comes_back_to_the_index(client: db.Tenant) -> None:
    """Its part may have begun behind it. So it is also with a mark of the previous release."""
    send = await db.accept(client, 3)
    (call,) = await marked(client.pool)
    await store.shorten_parts()
    assert await parts_of(send.id) == []
    await answered(client.pool, call, NotSent("busy"))
    await db.execute("UPDATE message SET due_at = now() - interval '1 s'")
    assert await has_flags(send.id) == {True}
    assert await pick(client, 9) == send.message_ids
    [waiting] = await store.tenants_waiting(client.pool.id, after=ALL, most=9)
    assert waiting.position.message_id == send.message_ids[0]


async def test_a_message_that_is_held_comes_back_to_the_index(client: db.Tenant) -> None:
    send = await db.accept(client, 3)
    until = datetime.now(UTC) - timedelta(seconds=1)
    async with store.transaction() as tx:
        await store.hold_messages(tx, dict.fromkeys(send.message_ids, until))
    await store.shorten_parts()
    assert await parts_of(send.id) == []
    assert await store.release_scheduled(most=9) == 3
    assert await pick(client, 9) == send.message_ids


async def test_a_clock_that_was_set_back_delays_no_part(client: db.Tenant) -> None:
    send = await db.accept(client, 3)
    for table in ("message", "queued_part"):
        await db.execute(f"UPDATE {table} SET due_at = due_at + interval '1 hour'")
    assert await store.accounts_with_queue() == [client.pool.id]
    [waiting] = await store.tenants_waiting(client.pool.id, after=ALL, most=9)
    assert await pick(client, 9, waiting.position) == send.message_ids
    assert (await store.read_backlog()).oldest_seconds == 0


async def test_tenants_take_turns_wherever_their_messages_are(client: db.Tenant) -> None:
    tenants = [client, *[await db.add_client(client.pool, held=9) for _ in range(4)]]
    sends = {each.client_id: await db.accept(each, 2) for each in tenants}
    ids = sorted(sends)
    for each in (ids[0], ids[3]):
        await db.execute(f"{AS_BEFORE} WHERE client_id = $1", each)
    await db.accept(tenants[0], 2)
    for most in (9, 3):
        found = await store.tenants_waiting(client.pool.id, after={BULK: ids[2]}, most=most)
        assert [each.client_id for each in found] == [ids[3], ids[4], *ids[:3]][:most]
        for tenant in found:
            assert tenant.position.message_id == sends[tenant.client_id].message_ids[0]


def _figures(platform: PlatformBalance | None) -> tuple[object, ...]:
    assert platform is not None
    signs = platform.signs
    return platform.in_flight, signs.queued, signs.overdue, signs.overdue_at


async def shown(client: db.Tenant, sends: Sequence[UUID]) -> dict[str, Any]:
    """What everything that reads the queue finds. Nothing is changed."""
    pool_id = client.pool.id
    found: dict[str, Any] = {
        "accounts": await store.accounts_with_queue(),
        "tenants": [
            (each.priority, each.client_id, each.position)
            for each in await store.tenants_waiting(pool_id, after=ALL, most=99)
        ],
        "due": await store.count_due(),
        "backlog": (await store.read_backlog()).queued,
        "oldest": (await store.read_backlog()).oldest_seconds // 60,
        "balance": _figures((await store.read_balances(BalanceView())).platform),
    }
    locking: dict[str, Callable[[Any], Awaitable[Any]]] = {
        "overdue": lambda tx: store.lock_overdue(tx, pool_id, age_seconds=0, most=999),
        "some overdue": lambda tx: store.lock_overdue(tx, pool_id, age_seconds=0, most=1),
        "past validity": lambda tx: store.lock_past_validity(tx, pool_id, 999),
        "restored": lambda tx: store.pick_due(tx, pool_id, most=999),
    }
    for name, lock in locking.items():
        async with store.transaction() as tx:
            locked = await lock(tx)
            found[name] = len(locked) if name == "some overdue" else {each.id for each in locked}
    async with store.transaction() as tx:
        found["open"] = await store.count_open_messages(tx, client.client_id)
    for scope in (Everything(), OfClient(client.client_id)):
        for status in (None, MessageStatus.QUEUED, MessageStatus.SENT):
            for size, from_end in ((3, False), (999, False), (7, True)):
                window: Window[UUID] = Window(size, from_end=from_end)
                listed = MessageFilter(status)
                page = await read_messages(scope, window, filter=listed)
                everything = await read_any_messages(scope, window, filter=listed)
                found[f"{scope} {status} {window}"] = [
                    [each.id for each in page.items],
                    page.has_next,
                    [each.id for each in everything.items],
                ]
            of_sends = await read_messages_of_sends(scope, sends, Window(4), status=status)
            found[f"{scope} {status} of sends"] = {
                send_id: [each.id for each in page.items] for send_id, page in of_sends.items()
            }
    now = datetime.now(UTC)
    stats = await read_message_stats(OfClient(client.client_id), Period.DAY, now - HOUR, now + HOUR)
    found["stats"] = sorted((each.status, each.messages) for each in stats)
    return found


async def test_all_that_reads_the_queue_finds_the_messages_of_parts(
    client: db.Tenant,
) -> None:
    """The same as if each message had an entry in the index of the queue, as before."""
    other = await db.add_client(client.pool, held=100)
    sends = [await db.accept(each, 6) for each in (client, other, client, client, other)]
    await db.accept(client)
    suspended = await db.add_client(client.pool, held=9)
    await db.accept(suspended, 6)
    await db.execute("UPDATE client SET status = 'SUSPENDED' WHERE id = $1", suspended.client_id)
    await db.execute(
        "UPDATE message SET attempts = 1, due_at = now() + interval '1 min' WHERE id = ANY($1)",
        [sends[0].message_ids[2], sends[3].message_ids[0]],
    )
    await db.execute(
        "UPDATE message SET status = 'SENT', attempt_id = id WHERE id = ANY($1)",
        list(sends[2].message_ids[:2]),
    )
    await store.shorten_parts()
    await db.execute("UPDATE send SET expires_at = now() WHERE id = $1", sends[1].id)
    await db.execute("UPDATE provider_account SET paused_at = now() - interval '1 hour'")
    for table in ("message", "queued_part"):
        await db.execute(
            f"UPDATE {table} SET due_at = due_at - interval '10 min' WHERE send_id = ANY($1)",
            [sends[0].id, sends[4].id],
        )
    await db.execute(
        "UPDATE message SET created_at = created_at + interval '1 hour' WHERE send_id = ANY($1)",
        [sends[0].id, sends[4].id],
    )
    ids = [each.id for each in sends]
    with_parts = await shown(client, ids)
    await db.execute(AS_BEFORE)
    await db.execute("DELETE FROM queued_part")
    before = await shown(client, ids)
    for name, each in before.items():
        assert with_parts[name] == each, name
    assert before["due"] == before["open"] + 18
    assert len(before["past validity"]) == 6


async def test_the_audit_finds_a_message_whose_part_is_gone(client: db.Tenant) -> None:
    send = await db.accept(client, 3)
    await db.accept(client, 3)
    await db.assert_audit_holds()
    await db.execute("UPDATE queued_part SET first_id = $1", send.message_ids[1])
    found = (await audit(store, await new_audit(store), rest=0)).violations
    assert len(found) == 1
    assert str(send.id) in found[0]
    assert "counters differ" in found[0]
    await db.execute(AS_BEFORE)
    await db.assert_audit_holds()


async def test_the_kept_plans_read_no_messages_that_they_do_not_need(
    client: db.Tenant,
) -> None:
    """Also after large sends that no ANALYZE has seen."""
    send = await db.accept(client, 20_000)
    await db.execute("ANALYZE message")
    other = await db.accept(client, 20_000)
    at = ([BULK], [client.client_id], [10], [datetime(2020, 1, 1, tzinfo=UTC)], [UUID(int=0)])
    given: dict[str, tuple[object, ...]] = {
        PICK_BULK: at,
        BULK_WAITING: ([BULK], [NO_TENANT], 9, EVER_SECONDS),
    }
    for statement, arguments in given.items():
        async with store.transaction(keeps_plans=True) as tx:
            prepared = await tx.prepare(statement)
            plan = str(await prepared.explain(client.pool.id, *arguments))
        assert "message_pkey" in plan
        assert "queued_part_by_client" in plan
        assert await pages_read(statement, client.pool.id, *arguments) < 200
    assert await pick(client, 20_001) == [*send.message_ids, other.message_ids[0]]


async def test_what_an_open_snapshot_keeps_delays_neither_a_look_nor_a_pick(
    client: db.Tenant, new_database_url: str
) -> None:
    send = await db.accept(client, 3_000)
    connection = await asyncpg.connect(**credentials(new_database_url))
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.execute("SELECT FROM client")  # takes the snapshot
            for status in ("SUBMITTING", "SENT"):
                await db.execute(
                    "UPDATE message SET status = $2, attempts = 1, attempt_id = id"
                    " WHERE id = ANY($1)",
                    list(send.message_ids[:2_900]),
                    status,
                )
            await store.shorten_parts()
            await db.execute("VACUUM message, queued_part")
            at: list[object] = [[BULK], [client.client_id], [10], [BEGINNING.due_at], [UUID(int=0)]]
            assert await pages_read(PICK_BULK, client.pool.id, *at) < 100
            looked = client.pool.id, [BULK], [NO_TENANT], 9, EVER_SECONDS
            assert await pages_read(BULK_WAITING, *looked) < 100
            assert await pages_read(ACCOUNTS_WITH_QUEUE, EVER_SECONDS) < 100
    finally:
        await connection.close()
