"""Querysets use the pool and the transactions of the set-based SQL, and fail in the same way."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from tortoise.transactions import in_transaction

from domain.errors import InvalidInput, TryAgain
from domain.ids import new_id
from domain.transactions import Disconnected
from persistence.database import connection, orm, transaction
from persistence.identity.models import AccessChange, Group
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection
from tests.ledger.cutting_proxy import CuttingProxy, Moment
from tests.persistence.connections import POOL_SIZE, assert_whole, is_there


async def test_a_queryset_runs_in_the_transaction_that_it_is_given(
    connected: None, other_connection: OtherConnection
) -> None:
    row_id = new_id()
    async with transaction() as tx:
        await AccessChange.create(using_db=orm(tx), id=row_id, subject_id=row_id)
        assert await AccessChange.filter(id=row_id).using_db(orm(tx)).count() == 1
        assert await tx.fetchval("SELECT count(*) FROM access_change WHERE id = $1", row_id) == 1
        assert not await is_there(other_connection, row_id)
    assert await is_there(other_connection, row_id)


async def test_a_queryset_is_rolled_back_with_its_transaction(
    connected: None, other_connection: OtherConnection
) -> None:
    row_id = new_id()

    async def write_and_fail() -> None:
        async with transaction() as tx:
            await AccessChange.create(using_db=orm(tx), id=row_id, subject_id=row_id)
            raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        await write_and_fail()
    assert not await is_there(other_connection, row_id)


async def test_a_queryset_uses_the_connection_that_it_is_given(connected: None) -> None:
    """If it took a second connection from the pool, this would wait for ever."""
    barrier = asyncio.Barrier(POOL_SIZE)

    async def read() -> int:
        async with connection() as pooled:
            await barrier.wait()
            return await AccessChange.all().using_db(orm(pooled)).count()

    await asyncio.wait_for(asyncio.gather(*(read() for _ in range(POOL_SIZE))), PATIENCE_SECONDS)


async def test_a_queryset_cannot_take_a_second_connection_within_a_transaction(
    connected: None,
) -> None:
    async with connection() as other, transaction():
        with pytest.raises(RuntimeError, match="open already"):
            orm(None)
        with pytest.raises(RuntimeError, match="not the one"):
            orm(other)


async def test_transactions_of_tortoise_are_refused(connected: None) -> None:
    with pytest.raises(RuntimeError, match="instead of Tortoise's own"):
        async with in_transaction():
            pass
    with pytest.raises(RuntimeError, match="instead of Tortoise's own"):
        await AccessChange.get_or_create({"subject_id": new_id()}, id=new_id())


async def test_a_queryset_raises_the_exceptions_of_asyncpg(connected: None) -> None:
    account_id = new_id()
    await Group.create(id=new_id(), name="One", account_id=account_id)
    with pytest.raises(asyncpg.UniqueViolationError) as raised:
        await Group.create(id=new_id(), name="Two", account_id=account_id)
    assert raised.value.constraint_name == "client_group_account_unique"
    await assert_whole()


async def test_a_queryset_over_a_cut_connection_raises_try_again(proxy: CuttingProxy) -> None:
    for moment in (Moment.UNSENT, Moment.UNANSWERED):
        proxy.cut_at("SELECT", moment)
        with pytest.raises(TryAgain):
            await AccessChange.filter(id=new_id()).exists()
    await assert_whole()


async def test_a_queryset_in_a_transaction_over_a_cut_connection_raises_disconnected(
    proxy: CuttingProxy,
) -> None:
    async def write() -> None:
        async with transaction() as tx:
            proxy.cut_at("INSERT", Moment.UNANSWERED)
            await AccessChange.create(using_db=orm(tx), id=new_id(), subject_id=new_id())

    with pytest.raises(Disconnected):
        await write()
    await assert_whole()
