"""If an account is locked elsewhere, its own sends wait, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from domain.errors import TryAgain
from domain.sending import accept as accept_module
from domain.sending import acceptor as acceptor_module
from domain.sending.accept import (
    COPY_FROM,
    LOCK_WAIT_SECONDS,
    AcceptedBefore,
    AcceptedNow,
    AcceptResult,
    Refused,
)
from domain.sending.acceptor import Acceptor
from tests import db
from tests.ledger.sends import accepting, charges, count_of, keyed
from tests.locks import locked

pytestmark = pytest.mark.usefixtures("connected")

NEVER_SECONDS = 3600.0
"""A wait for a lock that does not end while a test runs."""

HANGS_SECONDS = 60.0
"""A test that takes longer hangs. The speed of the machine does not matter."""


@asynccontextmanager
async def locked_elsewhere(url: str, tenant: db.Tenant) -> AsyncIterator[None]:
    """Another connection locks the tenant's account FOR UPDATE."""
    lock = "SELECT FROM account WHERE id = $1 FOR UPDATE"
    async with locked(url, lock, tenant.account_id):
        yield


async def accept_all(acceptor: Acceptor, tenants: Sequence[db.Tenant], count: int) -> None:
    """Returns when a send of each tenant is accepted."""
    sends = [acceptor.accept(db.new_send(tenant, count)) for tenant in tenants]
    results = await asyncio.wait_for(asyncio.gather(*sends), HANGS_SECONDS)
    assert count_of(results, AcceptedNow) == len(tenants)


async def test_other_tenants_do_not_wait_for_a_locked_account(
    worker_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once an account is known to be locked, no transaction of other tenants waits for it.

    From then on, such a wait would not end.
    """
    monkeypatch.setattr(acceptor_module, "LONGEST_LOCK_WAIT_SECONDS", NEVER_SECONDS)
    upstream = await db.add_pool(default=False)
    stuck, *others = [await db.add_client(upstream, held=10 * COPY_FROM) for _ in range(6)]
    async with accepting(patience_seconds=NEVER_SECONDS) as acceptor:
        async with locked_elsewhere(worker_database_url, stuck):
            waiting = [
                asyncio.create_task(acceptor.accept(db.new_send(stuck, count)))
                for count in (1, COPY_FROM, COPY_FROM, COPY_FROM, 2)
            ]
            await accept_all(acceptor, others, 1)
            await until_waiting(acceptor, len(waiting))
            monkeypatch.setattr(accept_module, "LOCK_WAIT_SECONDS", NEVER_SECONDS)
            for _ in range(5):  # new sends of the locked account arrive meanwhile
                waiting.append(asyncio.create_task(acceptor.accept(db.new_send(stuck))))
                await accept_all(acceptor, others, 2)
            await accept_all(acceptor, others[:1], COPY_FROM)
            assert not any(task.done() for task in waiting)
            await until_waiting(acceptor, len(waiting))
        results = await asyncio.wait_for(asyncio.gather(*waiting), HANGS_SECONDS)
        assert acceptor.waiting == 0
    assert count_of(results, AcceptedNow) == len(waiting)
    assert sum(await charges(stuck.account_id)) == 8 + 3 * COPY_FROM
    await db.assert_audit_holds()


async def test_a_key_answers_after_the_wait_for_its_account(worker_database_url: str) -> None:
    client = await db.add_client(await db.add_pool(default=False))
    async with accepting() as acceptor:
        async with locked_elsewhere(worker_database_url, client):
            waiting = [
                asyncio.create_task(acceptor.accept(keyed(db.new_send(client), "k")))
                for _ in range(5)
            ]
            await until_waiting(acceptor, 5)
        results = await asyncio.wait_for(asyncio.gather(*waiting), HANGS_SECONDS)
    assert (count_of(results, AcceptedNow), count_of(results, AcceptedBefore)) == (1, 4)


async def test_a_send_whose_account_stays_locked_is_refused_in_time(
    worker_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await db.add_client(await db.add_pool(default=False))
    async with accepting(patience_seconds=0.5) as acceptor:
        async with locked_elsewhere(worker_database_url, client):
            results = await asyncio.wait_for(
                asyncio.gather(*(acceptor.accept(db.new_send(client)) for _ in range(20))),
                HANGS_SECONDS,
            )
            assert [type(refusal(each)) for each in results] == [TryAgain] * 20
        monkeypatch.setattr(acceptor_module, "MOST_POSTPONED", 1)
        assert isinstance(await acceptor.accept(db.new_send(client)), AcceptedNow)
    assert await charges(client.account_id) == [1]


def refusal(result: AcceptResult) -> Exception:
    """What a send was refused with."""
    assert isinstance(result, Refused)
    return result.refusal


async def until_waiting(acceptor: Acceptor, count: int) -> None:
    """Returns when this many sends wait."""
    async with asyncio.timeout(HANGS_SECONDS):
        while acceptor.waiting < count:  # noqa: ASYNC110 - others' locks
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("count", [1, COPY_FROM])
async def test_a_locked_table_is_waited_for(worker_database_url: str, count: int) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=COPY_FROM)
    async with accepting() as acceptor:
        async with locked(worker_database_url, "LOCK TABLE message IN ACCESS EXCLUSIVE MODE"):
            waiting = asyncio.create_task(acceptor.accept(db.new_send(client, count)))
            done, _ = await asyncio.wait([waiting], timeout=3 * LOCK_WAIT_SECONDS)
            assert not done
        assert isinstance(await asyncio.wait_for(waiting, HANGS_SECONDS), AcceptedNow)
    assert await charges(client.account_id) == [count]
