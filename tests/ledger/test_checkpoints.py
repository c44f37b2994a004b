"""Closed months: what a checkpoint proves, and what an audit makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import asyncpg
import pytest

from domain.dispatch.cancel import cancel_send
from domain.errors import AlreadyRunning
from domain.ids import first_id_at
from domain.ledger import months
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.audit import audit, new_audit
from domain.ledger.audits import Audit
from domain.ledger.checkpoints import Checkpoint, ends_due, month_after
from domain.ledger.closing import LedgerInconsistent, close_daily, close_months
from persistence import store
from persistence.ledger import audit as audit_sql
from persistence.ledger import checkpoints as checkpoint_sql
from tests import db
from tests.aging import as_superuser, make_older

FIRST = datetime(2026, 1, 15, 12, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "now", "due"),
    [
        (None, None, datetime(2026, 5, 9, tzinfo=UTC), []),
        (FIRST, None, datetime(2026, 2, 3, 23, 59, tzinfo=UTC), []),
        (FIRST, None, datetime(2026, 2, 4, tzinfo=UTC), ["2026-02-01"]),
        (FIRST, None, datetime(2026, 3, 4, tzinfo=UTC), ["2026-02-01", "2026-03-01"]),
        (FIRST, DECEMBER, datetime(2027, 1, 4, tzinfo=UTC), ["2027-01-01"]),
    ],
)
def test_a_month_is_due_three_days_after_its_end(
    first: datetime | None, last: datetime | None, now: datetime, due: list[str]
) -> None:
    assert [f"{each:%Y-%m-%d}" for each in ends_due(first, last, now)] == due


@dataclass
class Setup:
    """An installation in which a month is over: a send of 5, and one of 3 by a school.

    `now`: in the month after it, when it can be closed.
    """

    url: str
    client: db.Tenant
    school: db.Tenant
    old_send: UUID
    now: datetime

    async def close(self) -> list[Checkpoint]:
        """Closes the months that are due."""
        return list(await close_months(store, self.now, rest=0))


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with db.connected(database_url):
        pool = await db.add_pool(held=1_000)
        client = await db.add_client(pool, held=100, group=await db.add_group(pool))
        school = await db.add_school(held=5_000)
        await db.accept(client, 5)
        await db.accept(school, 3)
        # The school's charge is of an earlier release.
        await as_superuser(
            database_url, "UPDATE transfer SET id = gen_random_uuid() WHERE amount = 150"
        )
        await make_older(database_url, 100)
        [row] = await db.fetch("SELECT id, created_at FROM send WHERE accepted = 5")
        now = month_after(row["created_at"]) + timedelta(days=4)
        yield Setup(database_url, client, school, row["id"], now)


async def run(*, full: bool = False) -> Audit:
    return await audit(store, await new_audit(store, full=full), rest=0)


async def test_a_checkpoint_has_the_figures_of_its_month(setup: Setup) -> None:
    [checkpoint] = await setup.close()
    assert await store.read_checkpoints() == [checkpoint]
    assert checkpoint.ends_at == month_after(setup.now - timedelta(days=10))
    sends = checkpoint.sends
    assert (sends.sends, sends.messages, sends.charged) == (2, 8, 5 + 150)
    assert sends.statuses == {"QUEUED": 8}
    found = await store.read_closed_accounts(checkpoint.id, UUID(int=0), most=100)
    of_client = next(each for each in found if each.account_id == setup.client.account_id)
    assert (of_client.version, of_client.balance) == (2, 95)
    assert of_client.moved == {"OPENING": 100, "SEND": -5}
    assert await setup.close() == [], "it is closed once"


async def test_the_usual_audit_starts_from_the_checkpoint(setup: Setup) -> None:
    [checkpoint] = await setup.close()
    await db.accept(setup.client, 2)
    usual, full = await run(), await run(full=True)
    assert (usual.holds, full.holds) == (True, True), full.violations
    assert (usual.proven_until, full.proven_until) == (checkpoint.ends_at, None)
    assert (usual.transfers_checked, usual.messages_checked) == (1, 2)
    assert full.messages_checked == 10
    assert usual.accounts_checked == full.accounts_checked


async def test_a_late_refund_is_checked_with_its_old_send(setup: Setup) -> None:
    await setup.close()
    await cancel_send(store, setup.client.actor, setup.old_send)
    usual = await run()
    assert (usual.holds, usual.transfers_checked, usual.messages_checked) == (True, 1, 5)
    assert (await run(full=True)).holds, "refunds of a closed month may change"
    await as_superuser(
        setup.url,
        "UPDATE message SET status = 'QUEUED' WHERE id = ("
        f" SELECT id FROM message WHERE send_id = '{setup.old_send}' LIMIT 1)",
    )
    found = await run()
    assert f"send {setup.old_send}: 5 accepted at 1, 5 messages" in found.violations[0]


CHANGES = {
    "a sum of the checkpoint": (
        "UPDATE ledger_checkpoint SET charged = charged + 1",
        "was changed: its hash is another one",
        True,
    ),
    "a balance of the checkpoint": (
        "UPDATE ledger_checkpoint_account SET balance = balance + 1",
        "the accounts of the checkpoint of",
        True,
    ),
    "a balance now": ("UPDATE account SET held = held + 1", "the sum of 2 transfers is", True),
    "an account left the checkpoint": (
        "DELETE FROM ledger_checkpoint_account WHERE balance = 95",
        "the accounts of the checkpoint of",
        True,
    ),
    "a message of a closed month": (
        "UPDATE message SET status = 'REJECTED' WHERE price = 50",
        "refunded 0 for 3",
        False,
    ),
    "a send of a closed month is gone, with all that it left": (
        "DELETE FROM send WHERE price = 50; DELETE FROM message WHERE price = 50;"
        " DELETE FROM transfer WHERE amount = 150;"
        " UPDATE account SET held = held + 150, version = version - 1 WHERE held = 4850",
        "says (sends, messages, charged) (2, 8, 155); the sends say (1, 5, 5)",
        False,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_found(setup: Setup, change: str) -> None:
    statement, words, by_usual = CHANGES[change]
    await setup.close()
    await as_superuser(setup.url, statement)
    full = await run(full=True)
    assert words in "\n".join(full.violations), full.violations
    usual = await run()
    assert (words in "\n".join(usual.violations)) == by_usual, usual.violations


async def test_a_checkpoint_with_another_hash_breaks_the_chain(setup: Setup) -> None:
    [first] = await setup.close()
    setup.now = month_after(setup.now) + timedelta(days=4)
    await setup.close()
    sums = replace(first.sends, charged=first.sends.charged + 1)
    forged = replace(first, sends=sums).sealed()
    await as_superuser(
        setup.url,
        f"UPDATE ledger_checkpoint SET charged = {sums.charged}, hash = '\\x{forged.hash.hex()}'"
        f" WHERE id = '{first.id}'",
    )
    assert "does not follow the one before it" in (await run()).violations[0]


async def test_the_database_refuses_to_change_a_checkpoint(setup: Setup) -> None:
    await setup.close()
    for table in ("ledger_checkpoint", "ledger_checkpoint_account"):
        for statement in (f"UPDATE {table} SET audit_id = NULL", f"DELETE FROM {table}"):
            with pytest.raises(asyncpg.PostgresError):
                await db.execute(statement.replace("audit_id = NULL", "id = id"))
    assert len(await store.read_checkpoints()) == 1


async def test_nothing_is_closed_while_the_ledger_is_inconsistent(setup: Setup) -> None:
    await as_superuser(setup.url, "UPDATE account SET held = held + 1 WHERE kind = 'CLIENT'")
    with pytest.raises(LedgerInconsistent) as broken:
        await setup.close()
    assert broken.value.audit.violations
    assert await store.read_checkpoints() == []


async def test_two_processes_close_a_month_once(setup: Setup) -> None:
    done = await asyncio.gather(setup.close(), setup.close(), return_exceptions=True)
    assert all(isinstance(each, list | AlreadyRunning) for each in done), done
    assert len(await store.read_checkpoints()) == 1
    assert (await run(full=True)).holds


async def test_months_are_closed_daily_by_one_process(setup: Setup) -> None:
    for _ in range(2):
        assert await close_daily(store) is False
    closed = await store.read_checkpoints()
    assert len(closed) >= 2, "100 days ago are at least two whole months"
    assert [each.hash for each in closed[:-1]] == [each.previous_hash for each in closed[1:]]
    [audits] = await db.fetch("SELECT count(*) AS n FROM ledger_audit")
    assert audits["n"] == 1
    assert (await run()).holds
    assert (await run(full=True)).holds


@pytest.mark.parametrize("seed", range(3))
async def test_any_work_in_several_months_is_closed_and_proven(
    database_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, most in [
        (months, "MOST_ACCOUNTS", 2),
        (months, "MOST_ENTRIES", 3),
        (audit_sql, "MOST_SENDS", 2),
        (checkpoint_sql, "MOST_SENDS", 2),
        (checkpoint_sql, "MOST_MESSAGES", 3),
    ]:
        monkeypatch.setattr(module, name, most)
    chance = Random(seed)
    async with db.connected(database_url):
        pool = await db.add_pool(held=1_000)
        clients = [await db.add_client(pool, held=100) for _ in range(2)]
        clients.append(await db.add_school(held=5_000))
        for days in (130, 70, 0):
            for _ in range(8):
                await _work(chance, clients)
            if days:
                await make_older(database_url, days)
                now = datetime.now(UTC) - timedelta(days=days - 40)
                await close_months(store, now, rest=0)
            for full in (False, True):
                done = await run(full=full)
                assert done.holds, done.violations
        closed = await store.read_checkpoints()
        assert closed[-1].id == first_id_at(closed[-1].ends_at)
        assert sum(each.sends.sends for each in closed) > 0


async def _work(chance: Random, clients: list[db.Tenant]) -> None:
    tenant = chance.choice(clients)
    match chance.randrange(4):
        case 0:
            [row] = await db.fetch(
                "SELECT (SELECT id FROM send WHERE client_id = $1 ORDER BY id OFFSET $2 LIMIT 1)"
                " AS id",
                tenant.client_id,
                chance.randrange(4),
            )
            if row["id"] is not None:
                await cancel_send(store, tenant.actor, row["id"])
        case 1 if tenant is not clients[-1]:
            await allocate(store, db.ADMIN, AllocationRequest(tenant.client_id, None, 3))
        case _:
            await db.accept(tenant, chance.randint(1, 4))
