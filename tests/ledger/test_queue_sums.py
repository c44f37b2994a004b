"""The sums of single messages that wait are exact in every snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from domain.ledger.audit import audit, new_audit
from domain.sending.messages import SendKind
from persistence import store
from persistence.dispatch.backlog import read_backlog
from persistence.ledger import singles
from persistence.ledger.pools import pool_figures
from persistence.ledger.singles import sum_singles
from tests import db
from tests.databases import OtherConnection, connection_to
from tests.dispatch.parts import eventually

OLDEST = "(SELECT id FROM message WHERE status = 'QUEUED' ORDER BY id LIMIT {})"
TAKE = f"""
UPDATE message SET status = 'SUBMITTING', attempt_id = id, updated_at = clock_timestamp()
WHERE id IN {OLDEST}
"""
RETRY = """
UPDATE message SET status = 'QUEUED', updated_at = clock_timestamp()
WHERE id IN (SELECT id FROM message WHERE status = 'SUBMITTING' ORDER BY id LIMIT {})
"""


@pytest.fixture
async def client(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[db.Tenant]:
    """A client of a pool for which 10 messages are already many."""
    monkeypatch.setattr(singles, "SUM_FROM", 10)
    async with db.connected(database_url):
        yield await db.add_client(await db.add_pool(price=3))


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[OtherConnection]:
    """Another connection to the same database."""
    async with connection_to(database_url) as connection:
        yield connection


async def add(client: db.Tenant, singles: int) -> None:
    for _ in range(singles):
        await db.accept(client, kind=SendKind.SINGLE)


async def summed() -> None:
    """Steps until each sum has its figure, also with transactions in databases of other tests."""

    async def step() -> bool:
        await sum_singles()
        return None not in await sums()

    await eventually(step)


async def sums() -> list[int | None]:
    """The figures of all sums, without the changes since."""
    rows = await db.fetch("SELECT messages FROM queue_sum ORDER BY id")
    return [row["messages"] for row in rows]


async def assert_waiting(client: db.Tenant, messages: int) -> None:
    """What /metrics, sync and the audit say."""
    assert (await read_backlog()).queued == messages
    async with store.transaction() as tx:
        assert (await pool_figures(tx, client.pool.id)).in_flight == 3 * messages
    await db.assert_audit_holds()


async def test_a_few_messages_are_read_one_by_one(client: db.Tenant) -> None:
    await add(client, 10)
    await summed()
    assert await sums() == []
    await assert_waiting(client, 10)


async def test_many_are_in_a_sum_and_later_ones_are_read(client: db.Tenant) -> None:
    await add(client, 12)
    for figures in ([None], [None]):
        await sum_singles()
        assert await sums() == figures
        await assert_waiting(client, 12)
    await summed()
    assert await sums() == [12]
    await assert_waiting(client, 12)
    await add(client, 2)
    assert await sums() == [12]
    await assert_waiting(client, 14)


async def test_a_sum_follows_each_change_also_while_it_has_no_figure(client: db.Tenant) -> None:
    await add(client, 20)
    for waiting in (19, 18, 17):
        await sum_singles()
        await db.execute(TAKE.format(2))
        await db.execute(RETRY.format(1))
        await db.execute("UPDATE message SET priority = priority + 10 WHERE priority < 10")
        await assert_waiting(client, waiting)
    await summed()
    await assert_waiting(client, 17)
    assert (await sums())[0] is not None


async def test_a_sum_waits_for_changes_that_did_not_see_it(
    client: db.Tenant, other: OtherConnection
) -> None:
    await add(client, 12)
    async with other.transaction():
        await other.execute(TAKE.format(2))
        for _ in range(4):
            await sum_singles()
        assert await sums() == [None]
    await summed()
    assert await sums() == [10]
    await assert_waiting(client, 10)


async def test_a_sum_is_replaced_when_many_came_later_and_dropped_when_few_are_left(
    client: db.Tenant,
) -> None:
    await add(client, 12)
    await summed()
    await db.execute(TAKE.format(1))
    await add(client, 11)
    await sum_singles()
    assert await sums() == [11, None]
    await summed()
    assert await sums() == [22]
    await assert_waiting(client, 22)
    await db.execute(TAKE.format(18))
    await sum_singles()
    assert await sums() == []
    await db.execute(TAKE.format(1))
    await sum_singles()
    assert not await db.fetch("SELECT FROM queue_change")
    await assert_waiting(client, 3)


async def test_a_sum_of_another_server_is_not_used(client: db.Tenant) -> None:
    await add(client, 12)
    await summed()
    # As if a dump had been restored to a server with smaller IDs of transactions.
    await db.execute("UPDATE queue_sum SET cluster = 1, below_xid = 2 * below_xid")
    await add(client, 1)
    await assert_waiting(client, 13)
    await summed()
    assert await sums() == [13]
    await assert_waiting(client, 13)


async def test_each_account_has_its_own_sum(client: db.Tenant) -> None:
    second = await db.add_client(await db.add_pool(default=False, price=3))
    for each, number in ((client, 12), (second, 15)):
        await add(each, number)
    await summed()
    await db.execute(
        "UPDATE message SET provider_account_id = $1, updated_at = clock_timestamp()"
        f" WHERE id IN {OLDEST.format(1)}",
        second.pool.id,
    )
    assert (await read_backlog()).queued == 27
    async with store.transaction() as tx:
        figures = [await pool_figures(tx, each.pool.id) for each in (client, second)]
    assert [each.in_flight for each in figures] == [33, 48]


@pytest.mark.parametrize("column", ["messages", "units"])
async def test_the_audit_finds_a_wrong_sum(client: db.Tenant, column: str) -> None:
    await add(client, 12)
    await summed()
    await db.assert_audit_holds()
    await db.execute(f"UPDATE queue_sum SET {column} = {column} + 1")
    done = await audit(store, await new_audit(store), rest=0)
    assert [
        each
        for each in done.violations
        if f"differs from them: pool {client.pool.account_id}" in each
    ]
