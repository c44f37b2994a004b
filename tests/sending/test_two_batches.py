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
from tests import worlds
from tests.databases import connection_to
from tests.ledger.line import Line, Moment
from tests.ledger.sends import accepting, charges, count_of, keyed, sent

Answer = TypeVar("Answer")

HANGS_SECONDS = 60.0
"""A test that takes longer hangs. The speed of the machine does not matter."""

NEVER_SECONDS = 3600.0

GATE = """
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
class Gate:
    """The COMMIT of a send with the text "slow" waits until the gate is open."""

    elsewhere: asyncpg.Connection[asyncpg.Record]

    async def open(self) -> None:
        """Lets the COMMITs pass."""
        await self.elsewhere.execute("SELECT pg_advisory_unlock(1)")

    async def cut(self, *, not_first: bool = False) -> int:
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
async def gate(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """A closed gate in a separate database. Batches wait for locks without a limit."""
    monkeypatch.setattr(accept_module, "LOCK_WAIT_SECONDS", NEVER_SECONDS)
    async with worlds.connected(database_url), connection_to(database_url) as elsewhere:
        await worlds.execute(GATE)
        await elsewhere.execute("SELECT pg_advisory_lock(1)")
        yield Gate(elsewhere)


@asynccontextmanager
async def slow_commit(
    gate: Gate, acceptor: Acceptor, send: NewSend
) -> AsyncIterator[asyncio.Task[AcceptResult]]:
    """A send whose batch is in its COMMIT, until the block ends."""
    slow = asyncio.create_task(acceptor.accept(replace(send, text="slow")))
    await gate.until_waiting(1)
    yield slow
    assert not slow.done()
    await gate.open()
    async with asyncio.timeout(HANGS_SECONDS):
        await asyncio.wait([slow])


async def test_nothing_is_answered_before_its_commit_and_other_accounts_continue(
    gate: Gate,
) -> None:
    first, other = await _clients(2)
    async with accepting() as acceptor:
        async with slow_commit(gate, acceptor, worlds.new_send(first, 2)) as slow:
            later = asyncio.create_task(acceptor.accept(worlds.new_send(first, 3)))
            for _ in range(3):
                assert sent(await _soon(acceptor.accept(worlds.new_send(other)))) is not None
            assert not later.done()
            assert await charges(first.account_id) == []
        results = [await slow, await _soon(later)]
    assert count_of(results, AcceptedNow) == 2
    assert await charges(first.account_id) == [2, 3]
    await worlds.assert_audit_holds()


async def test_a_stop_waits_for_both_batches(gate: Gate) -> None:
    first, other = await _clients(2)
    async with accepting() as acceptor:
        async with slow_commit(gate, acceptor, worlds.new_send(first)) as slow:
            second = asyncio.create_task(
                acceptor.accept(replace(worlds.new_send(other), text="slow"))
            )
            await gate.until_waiting(2)
            later = asyncio.create_task(acceptor.accept(worlds.new_send(first)))
            await asyncio.sleep(0)
            stopping = asyncio.create_task(acceptor.stop())
            await asyncio.sleep(0)
            assert not stopping.done()
        await _soon(stopping)
        assert count_of([await slow, await second, await later], AcceptedNow) == 3


async def test_a_key_in_two_batches_is_one_send(gate: Gate) -> None:
    """A key belongs to one account, but nothing depends on it."""
    first, other = await _clients(2)
    one = keyed(worlds.new_send(first), "k")
    same = replace(worlds.new_send(other), key=one.key)
    async with accepting() as acceptor:
        async with slow_commit(gate, acceptor, one) as slow:
            waiting = asyncio.create_task(acceptor.accept(same))
            await gate.until_waiting(2)
        results = [await slow, await _soon(waiting)]
    assert [type(each) for each in results] == [AcceptedNow, AcceptedBefore]
    assert [sent(each) for each in results] == [one.id, one.id]
    assert (await charges(first.account_id), await charges(other.account_id)) == ([1], [])


async def test_a_batch_that_waits_for_a_locked_account_does_not_delay_the_others(
    gate: Gate,
) -> None:
    stuck, other = await _clients(2)
    async with accepting() as acceptor:
        async with gate.elsewhere.transaction():
            await gate.elsewhere.execute(
                "SELECT FROM account WHERE id = $1 FOR UPDATE", stuck.account_id
            )
            waiting = asyncio.create_task(acceptor.accept(worlds.new_send(stuck)))
            await gate.until_waiting(1)
            assert sent(await _soon(acceptor.accept(worlds.new_send(other)))) is not None
        assert sent(await _soon(waiting)) is not None


@pytest.mark.parametrize("moment", Moment)
async def test_a_connection_lost_in_one_of_two_batches_charges_each_send_once(
    line: Line, moment: Moment
) -> None:
    clients = await _clients(2)
    sends = [worlds.new_send(client) for client in clients]
    line.cut_at("COMMIT", moment)
    async with accepting() as acceptor:
        results = await asyncio.gather(*(acceptor.accept(send) for send in sends))
    assert line.cuts == 1
    assert [sent(each) for each in results] == [send.id for send in sends]
    assert [await charges(client.account_id) for client in clients] == [[1], [1]]
    await worlds.assert_audit_holds()


async def test_a_batch_that_loses_its_connection_is_repeated_once_and_the_other_is_answered(
    gate: Gate,
) -> None:
    first, other = await _clients(2)
    one = keyed(worlds.new_send(first), "k")
    async with accepting() as acceptor:
        async with slow_commit(gate, acceptor, one) as slow:
            assert await gate.cut() == 1
            assert sent(await _soon(acceptor.accept(worlds.new_send(other)))) is not None
            await gate.until_waiting(1)  # it is tried again
        assert [sent(await slow)] == [one.id]
        again = await _soon(acceptor.accept(keyed(worlds.new_send(first), "k")))
    assert (type(again), sent(again)) == (AcceptedBefore, one.id)
    assert (await charges(first.account_id), await charges(other.account_id)) == ([1], [1])
    await worlds.assert_audit_holds()


async def test_a_batch_that_never_gets_a_connection_again_names_its_sends(gate: Gate) -> None:
    """The callers of the other batch have their answers meanwhile."""
    first, other = await _clients(2)
    lost = [keyed(worlds.new_send(first), f"k{number}") for number in range(2)]
    async with accepting(patience_seconds=0.05) as acceptor:
        async with slow_commit(gate, acceptor, worlds.new_send(other)) as healthy:
            requested = [
                asyncio.create_task(acceptor.accept(replace(each, text="slow"))) for each in lost
            ]
            await gate.until_waiting(2)
            while not all(each.done() for each in requested):
                await gate.cut(not_first=True)
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
    await worlds.assert_audit_holds()


async def test_the_sends_of_each_account_are_charged_in_order_of_arrival(connected: None) -> None:
    clients = await _clients(5, held=1_000)
    async with accepting() as acceptor:
        requested = []
        for size in range(1, 25):
            requested += [
                asyncio.create_task(acceptor.accept(worlds.new_send(client, size)))
                for client in clients
            ]
            await asyncio.sleep(0.001)
        await asyncio.gather(*requested)
    for client in clients:
        assert await charges(client.account_id) == list(range(1, 25))
    await worlds.assert_audit_holds()


async def _clients(count: int, *, held: int = 100) -> list[worlds.Tenant]:
    pool = await worlds.add_pool(default=False)
    return [await worlds.add_client(pool, held=held) for _ in range(count)]


async def _soon(result: Awaitable[Answer]) -> Answer:
    return await asyncio.wait_for(result, HANGS_SECONDS)
