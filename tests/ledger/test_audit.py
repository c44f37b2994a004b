"""The audit finds every kind of fault, and nothing else, also while transfers continue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from domain.dispatch.cancel import cancel_send
from domain.errors import AlreadyRunning
from domain.identity.access import Everything
from domain.ledger import months
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.audit import AuditStopped, audit, new_audit
from domain.ledger.audits import Audit, AuditState
from persistence import store
from persistence.ledger import audit as audit_sql
from persistence.servers import credentials
from tests import db
from tests.dispatch.parts import eventually


@dataclass(frozen=True)
class Setup:
    """A pool, a client with a send of 5 messages and a send of 1, and a school with a send.

    Only the charge of the 5 messages is not one of an earlier release.
    """

    url: str
    pool: db.Pool
    client: db.Tenant
    other: db.Tenant
    school: db.Tenant

    async def tamper(self, statement: str) -> None:
        """Changes rows as a superuser. Triggers and checks are off."""
        connection = await asyncpg.connect(**{**credentials(self.url), "user": "postgres"})
        try:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with db.connected(database_url):
        pool = await db.add_pool(held=1_000)
        group = await db.add_group(pool, held=50)
        made = Setup(
            database_url,
            pool,
            await db.add_client(pool, held=100, group=group),
            await db.add_client(pool, held=10),
            await db.add_school(held=5_000),
        )
        await db.accept(made.client, 5)
        await db.accept(made.client, 1)
        await db.accept(made.school, 2)
        await made.tamper(
            "UPDATE transfer SET id = gen_random_uuid() WHERE kind = 'SEND' AND amount <> 5"
        )
        yield made


async def run() -> Audit:
    return await audit(store, await new_audit(store), rest=0)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(months, "MOST_ACCOUNTS", 2)
    monkeypatch.setattr(months, "MOST_ENTRIES", 2)
    monkeypatch.setattr(audit_sql, "MOST_SENDS", 2)
    monkeypatch.setattr(audit_sql, "MOST_MESSAGES", 3)


async def test_a_correct_ledger_is_counted_and_holds(setup: Setup) -> None:
    done = await run()
    assert (done.state, done.holds, done.percent) == (AuditState.FINISHED, True, 100)
    # Three openings of accounts of the pool, one of the school's, one of the group's, three sends.
    rows = await db.fetch(
        "SELECT (SELECT count(*) FROM account) AS accounts,"
        " (SELECT count(*) FROM transfer) AS transfers, (SELECT count(*) FROM message) AS messages"
    )
    counted = {
        "accounts": done.accounts_checked,
        "transfers": done.transfers_checked,
        "messages": done.messages_checked,
    }
    assert rows == [counted]


async def test_the_counts_do_not_depend_on_the_size_of_the_pages(
    setup: Setup, small_pages: None
) -> None:
    for _ in range(5):
        await allocate(store, db.ADMIN, AllocationRequest(setup.client.client_id, None, 1))
    done = await run()
    assert (done.holds, done.messages_checked) == (True, 8)
    (row,) = await db.fetch("SELECT count(*) AS n FROM transfer")
    assert done.transfers_checked == row["n"]


FAULTS = {
    "an account holds more": (
        "UPDATE account SET held = held + 1 WHERE kind = 'CLIENT'",
        "holds 95 at version 3; the sum of 3 transfers is 94",
    ),
    "an account has another version": (
        "UPDATE account SET version = version - 1 WHERE kind = 'GROUP'",
        "holds 50 at version 0; the sum of 1 transfer is 50 at version 1",
    ),
    "an account was deleted": (
        "DELETE FROM account WHERE kind = 'GROUP'",
        "does not exist, but has 1 transfer",
    ),
    "the last account was deleted": (
        "DELETE FROM account WHERE id = (SELECT id FROM account ORDER BY id DESC LIMIT 1)",
        "does not exist, but has 2 transfers",
    ),
    "a transfer moved another amount": (
        "UPDATE transfer SET amount = amount + 7 WHERE kind = 'SEND' AND amount = 5",
        "the transfer at version 2 does not follow the one before it",
    ),
    "a transfer left another balance": (
        "UPDATE transfer SET source_balance = 1 WHERE kind = 'SEND' AND amount = 5",
        "the transfer at version 2 does not follow the one before it",
    ),
    "a transfer was deleted": (
        "DELETE FROM transfer WHERE kind = 'SEND' AND amount = 5",
        "the transfer at version 3 does not follow the one before it",
    ),
    "a transfer is of another pool": (
        "UPDATE transfer SET provider_account_id = gen_random_uuid() WHERE amount = 5",
        "the transfer at version 2 is of another pool",
    ),
    "a client is below zero": (
        "ALTER TABLE account DROP CONSTRAINT account_not_below_zero;"
        " UPDATE account SET held = -5 WHERE kind = 'CLIENT'",
        "holds -5, below its arrears of 0",
    ),
    "a message is missing": (
        "DELETE FROM message WHERE id = (SELECT min(id::text)::uuid FROM message)",
        "messages, charged",
    ),
    "a message was rejected without a refund": (
        "UPDATE message SET status = 'REJECTED' WHERE price = 50",
        "refunded 0 for 2",
    ),
    "a message belongs to another client": (
        "UPDATE message SET client_id = gen_random_uuid() WHERE price = 50",
        "is of another client, pool or account than its send",
    ),
    "a message has another price": (
        "UPDATE message SET price = 49 WHERE price = 50",
        "is of another client, pool or account than its send",
    ),
    "a send was deleted": (
        "DELETE FROM send WHERE accepted = 5",
        "does not exist, but has 5 messages and was charged 5",
    ),
    "the last send was deleted": (
        "DELETE FROM send WHERE price = 50",
        "does not exist, but has 2 messages and was charged 100",
    ),
    "all sends were deleted": ("DELETE FROM send", "does not exist, but has"),
    "another account was charged": (
        "UPDATE send SET account_id = gen_random_uuid() WHERE accepted = 5",
        "is of another client, pool or account than its send",
    ),
    "a send was made larger": ("UPDATE send SET accepted = 6 WHERE accepted = 5", "6 accepted"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("pages", ["usual", "small"])
async def test_a_fault_is_found(
    setup: Setup, fault: str, pages: str, request: pytest.FixtureRequest
) -> None:
    if pages == "small":
        request.getfixturevalue("small_pages")
    statement, words = FAULTS[fault]
    await setup.tamper(statement)
    done = await run()
    assert not done.holds
    assert words in "\n".join(done.violations), done.violations
    assert (await store.last_audit(Everything())) == done


async def test_an_audit_during_constant_transfers_has_no_false_alarm(
    setup: Setup, small_pages: None
) -> None:
    stopping = asyncio.Event()

    async def work(tenant: db.Tenant) -> None:
        while not stopping.is_set():
            await allocate(store, db.ADMIN, AllocationRequest(tenant.client_id, None, 3))
            await cancel_send(store, tenant.actor, (await db.accept(tenant, 2)).id)
            await db.accept(tenant, 1)
            await allocate(store, db.ADMIN, AllocationRequest(tenant.client_id, None, -1))

    working = [asyncio.create_task(work(each)) for each in (setup.client, setup.other)]
    counts = [0]
    while counts[-1] < 300:
        done = await run()
        assert done.holds, done.violations
        counts.append(done.transfers_checked)
    stopping.set()
    await asyncio.gather(*working)
    assert len(set(counts)) > 3, "transfers continued during the audits"


async def test_one_audit_runs_at_a_time(setup: Setup) -> None:
    first = await new_audit(store)
    with pytest.raises(AlreadyRunning):
        await new_audit(store)
    await audit(store, first, rest=0)
    assert (await run()).holds


async def test_a_killed_audit_ends_and_another_one_can_start(setup: Setup) -> None:
    killed = await new_audit(store)
    await db.execute("UPDATE ledger_audit SET checked_at = now() - interval '2 minutes'")
    assert (await store.find_audit(Everything(), killed.id)).state is AuditState.STOPPED
    assert await store.last_audit(Everything()) is None, "it proves nothing"
    assert (await run()).holds
    with pytest.raises(AuditStopped):
        await audit(store, killed, rest=0)
    assert (await store.find_audit(Everything(), killed.id)).state is AuditState.STOPPED


async def test_an_audit_that_is_cancelled_is_stopped_at_once(
    setup: Setup, small_pages: None
) -> None:
    run = await new_audit(store)
    working = asyncio.create_task(audit(store, run, rest=1e6))

    async def has_begun() -> bool:
        return (await store.find_audit(Everything(), run.id)).accounts_checked > 0

    await eventually(has_begun)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (await store.find_audit(Everything(), run.id)).state is AuditState.STOPPED
    assert (await new_audit(store)).state is AuditState.RUNNING


async def test_progress_grows_to_100(setup: Setup, small_pages: None) -> None:
    await setup.tamper("ANALYZE transfer; ANALYZE message")
    seen: list[Audit] = []
    await audit(store, await new_audit(store), report=seen.append, rest=0)
    assert [each.percent for each in seen] == sorted(each.percent for each in seen)
    assert [each.version for each in seen] == sorted(each.version for each in seen)
    assert 0 < seen[len(seen) // 2].percent < 100
    assert seen[-1].percent == 100
