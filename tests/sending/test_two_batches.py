"""Two batches of one process at once: for different accounts, each as if it were alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import asyncpg
import pytest

from domain.errors import OutcomeUnknown
from domain.sending import accept as accept_module
from domain.sending.accept import AcceptedBefore, AcceptedNow, AcceptResult, Refused
from domain.sending.acceptor import Acceptor
from domain.sending.messages import NewSend
from tests import db
from tests.databases import connection_to
from tests.ledger.cutting_proxy import CuttingProxy, Moment
from tests.ledger.sends import accepting, charges, count_of, keyed, sent

Answer = TypeVar("Answer")

HANGS_SECONDS = 60.0
"""A test that takes longer hangs. The speed of the machine does not matter."""

NEVER_SECONDS = 3600.0

COMMIT_LOCK = """
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER wait_at_gate AFTER INSERT ON send DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.text = 'slow') EXECUTE FUNCTION wait_at_gate()
"""
COUNT_WAITERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
WAITERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' ORDER BY xact_start
"""
END = "SELECT pg_terminate_backend(pid) FROM unnest($1::int4[]) AS pid"


@dataclass
class CommitLock:
    """The COMMIT of a send with the text "slow" waits until the lock is released."""

    elsewhere: asyncpg.Connection[asyncpg.Record]

    async def release(self) -> None:
        """Lets the COMMITs pass."""
        await self.elsewhere.execute("SELECT pg_advisory_unlock(1)")

    async def end_waiting(self, *, not_first: bool = False) -> int:
        """Ends the transactions that wait for a lock. Returns how many."""
        pids = [row[0] for row in await self.elsewhere.fetch(WAITERS)]
        ended = await self.elsewhere.fetch(END, pids[1:] if not_first else pids)
        return len(ended)

    async def until_waiting(self, count: int) -> None:
        """Returns when this many transactions wait for a lock."""
        async with asyncio.timeout(HANGS_SECONDS):
            while await self.elsewhere.fetchval(COUNT_WAITERS) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.002)


@pytest.fixture
async def commit_lock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CommitLock]:
    """A held lock in a separate database. Batches wait for locks without a limit."""
    monkeypatch.setattr(accept_module, "LOCK_WAIT_SECONDS", NEVER_SECONDS)
    async with db.connected(database_url), connection_to(database_url) as elsewhere:
        await db.execute(COMMIT_LOCK)
        await elsewhere.execute("SELECT pg_advisory_lock(1)")
        yield CommitLock(elsewhere)


@asynccontextmanager
async def slow_commit(
    commit_lock: CommitLock, acceptor: Acceptor, send: NewSend
) -> AsyncIterator[asyncio.Task[AcceptResult]]:
    """A send whose batch is in its COMMIT, until the block ends."""
    slow = asyncio.create_task(acceptor.accept(replace(send, text="slow")))
    await commit_lock.until_waiting(1)
    yield slow
    assert not slow.done()
    await commit_lock.release()
    async with asyncio.timeout(HANGS_SECONDS):
        await asyncio.wait([slow])


async def test_nothing_is_answered_before_its_commit_and_other_accounts_continue(
    commit_lock: CommitLock,
) -> None:
    first, other = await _clients(2)
    async with accepting() as acceptor:
        async with slow_commit(commit_lock, acceptor, db.new_send(first, 2)) as slow:
            later = asyncio.create_task(acceptor.accept(db.new_send(first, 3)))
            for _ in range(3):
                assert sent(await _soon(acceptor.accept(db.new_send(other)))) is not None
            assert not later.done()
            assert await charges(first.account_id) == []
        results = [await slow, await _soon(later)]
    assert count_of(results, AcceptedNow) == 2
    assert await charges(first.account_id) == [2, 3]
    await db.assert_audit_holds()


async def test_a_stop_waits_for_both_batches(commit_lock: CommitLock) -> None:
    first, other = await _clients(2)
    async with accepting() as acceptor:
        async with slow_commit(commit_lock, acceptor, db.new_send(first)) as slow:
            second = asyncio.create_task(acceptor.accept(replace(db.new_send(other), text="slow")))
            await commit_lock.until_waiting(2)
            later = asyncio.create_task(acceptor.accept(db.new_send(first)))
            await asyncio.sleep(0)
            stopping = asyncio.create_task(acceptor.stop())
            await asyncio.sleep(0)
            assert not stopping.done()
        await _soon(stopping)
        assert count_of([await slow, await second, await later], AcceptedNow) == 3


async def test_a_key_in_two_batches_is_one_send(commit_lock: CommitLock) -> None:
    """A key belongs to one account, but nothing depends on it."""
    first, other = await _clients(2)
    one = keyed(db.new_send(first), "k")
    same = replace(db.new_send(other), key=one.key)
    async with accepting() as acceptor:
        async with slow_commit(commit_lock, acceptor, one) as slow:
            waiting = asyncio.create_task(acceptor.accept(same))
            await commit_lock.until_waiting(2)
        results = [await slow, await _soon(waiting)]
    assert [type(each) for each in results] == [AcceptedNow, AcceptedBefore]
    assert [sent(each) for each in results] == [one.id, one.id]
    assert (await charges(first.account_id), await charges(other.account_id)) == ([1], [])


async def test_a_batch_that_waits_for_a_locked_account_does_not_delay_the_others(
    commit_lock: CommitLock,
) -> None:
    stuck, other = await _clients(2)
    async with accepting() as acceptor:
        async with commit_lock.elsewhere.transaction():
            await commit_lock.elsewhere.execute(
                "SELECT FROM account WHERE id = $1 FOR UPDATE", stuck.account_id
            )
            waiting = asyncio.create_task(acceptor.accept(db.new_send(stuck)))
            await commit_lock.until_waiting(1)
            assert sent(await _soon(acceptor.accept(db.new_send(other)))) is not None
        assert sent(await _soon(waiting)) is not None


@pytest.mark.parametrize("moment", Moment)
async def test_a_connection_lost_in_one_of_two_batches_charges_each_send_once(
    proxy: CuttingProxy, moment: Moment
) -> None:
    clients = await _clients(2)
    sends = [db.new_send(client) for client in clients]
    proxy.cut_at("COMMIT", moment)
    async with accepting() as acceptor:
        results = await asyncio.gather(*(acceptor.accept(send) for send in sends))
    assert proxy.cuts == 1
    assert [sent(each) for each in results] == [send.id for send in sends]
    assert [await charges(client.account_id) for client in clients] == [[1], [1]]
    await db.assert_audit_holds()


async def test_a_batch_that_loses_its_connection_is_repeated_once_and_the_other_is_answered(
    commit_lock: CommitLock,
) -> None:
    first, other = await _clients(2)
    one = keyed(db.new_send(first), "k")
    async with accepting() as acceptor:
        async with slow_commit(commit_lock, acceptor, one) as slow:
            assert await commit_lock.end_waiting() == 1
            assert sent(await _soon(acceptor.accept(db.new_send(other)))) is not None
            await commit_lock.until_waiting(1)  # it is tried again
        assert [sent(await slow)] == [one.id]
        again = await _soon(acceptor.accept(keyed(db.new_send(first), "k")))
    assert (type(again), sent(again)) == (AcceptedBefore, one.id)
    assert (await charges(first.account_id), await charges(other.account_id)) == ([1], [1])
    await db.assert_audit_holds()


async def test_a_batch_that_never_gets_a_connection_again_names_its_sends(
    commit_lock: CommitLock,
) -> None:
    """The callers of the other batch have their answers meanwhile."""
    first, other = await _clients(2)
    lost = [keyed(db.new_send(first), f"k{number}") for number in range(2)]
    async with accepting(patience_seconds=0.05) as acceptor:
        async with slow_commit(commit_lock, acceptor, db.new_send(other)) as healthy:
            requested = [
                asyncio.create_task(acceptor.accept(replace(each, text="slow"))) for each in lost
            ]
            await commit_lock.until_waiting(2)
            while not all(each.done() for each in requested):
                await commit_lock.end_waiting(not_first=True)
                await asyncio.sleep(0.002)
        results = [await each for each in requested]
        assert sent(await healthy) is not None
    errors = [each.refusal for each in results if isinstance(each, Refused)]
    assert {type(each) for each in errors} == {OutcomeUnknown}
    assert [getattr(each, "send_id", None) for each in errors] == [each.id for each in lost]
    assert await charges(first.account_id) == []
    async with accepting() as acceptor:
        results = [await _soon(acceptor.accept(each)) for each in lost]
    assert count_of(results, AcceptedNow) == 2
    assert await charges(first.account_id) == [1, 1]
    await db.assert_audit_holds()


async def test_the_sends_of_each_account_are_charged_in_order_of_arrival(connected: None) -> None:
    clients = await _clients(5, held=1_000)
    async with accepting() as acceptor:
        requested = []
        for size in range(1, 25):
            requested += [
                asyncio.create_task(acceptor.accept(db.new_send(client, size)))
                for client in clients
            ]
            await asyncio.sleep(0.001)
        await asyncio.gather(*requested)
    for client in clients:
        assert await charges(client.account_id) == list(range(1, 25))
    await db.assert_audit_holds()


async def _clients(count: int, *, held: int = 100) -> list[db.Tenant]:
    pool = await db.add_pool(default=False)
    return [await db.add_client(pool, held=held) for _ in range(count)]


async def _soon(result: Awaitable[Answer]) -> Answer:
    return await asyncio.wait_for(result, HANGS_SECONDS)
