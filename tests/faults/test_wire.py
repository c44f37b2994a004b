"""A trap on PostgreSQL's wire acts at the named step, and at no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.transactions import Disconnected
from persistence.ledger import transfers as ledger
from tests import worlds
from tests.faults.proxy import proxying
from tests.faults.wire import COMMIT, Moment, StatementTrap, Step


@pytest.fixture
async def trap(worker_database_url: str) -> AsyncIterator[StatementTrap]:
    """A trap on all connections of this process to PostgreSQL."""
    parts = urlsplit(worker_database_url)
    far_end = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    trap = StatementTrap()
    async with proxying(far_end, tap=trap.tap) as proxy:
        url = f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}?sslmode=disable"
        async with worlds.connected(url, pool_size=3):
            yield trap


@pytest.fixture
async def tenant(trap: StatementTrap) -> worlds.Tenant:
    return await worlds.add_client(await worlds.add_pool(default=False), held=0)


@pytest.mark.parametrize("times_before", [0, 1])
@pytest.mark.parametrize(
    ("statement", "moment", "kept"),
    [
        (ledger.LOCK_ACCOUNTS, Moment.BEFORE, False),
        (ledger.WRITE_BOOK, Moment.AFTER, False),
        (COMMIT, Moment.BEFORE, False),
        (COMMIT, Moment.AFTER, True),
    ],
)
async def test_a_connection_ends_at_the_named_step(
    trap: StatementTrap,
    tenant: worlds.Tenant,
    statement: str,
    moment: Moment,
    kept: bool,
    times_before: int,
) -> None:
    for _ in range(times_before):  # the statement is prepared by then
        await worlds.open_with(tenant.account_id, 5)
    step = Step("", statement, moment, within=ledger.LOCK_ACCOUNTS if statement is COMMIT else None)
    reached = trap.act_at(step, lambda: None)
    with pytest.raises(Disconnected):
        await worlds.open_with(tenant.account_id, 5)
    assert reached.is_set()
    assert await worlds.held(tenant.account_id) == 5 * (times_before + kept)


async def test_the_commit_of_another_transaction_is_not_cut(
    trap: StatementTrap, tenant: worlds.Tenant
) -> None:
    reached = trap.act_at(Step("", COMMIT, Moment.BEFORE, within=ledger.TAKE_KEY), lambda: None)
    await worlds.open_with(tenant.account_id, 5)
    assert not reached.is_set()
    trap.remove()


async def test_a_trap_acts_once(trap: StatementTrap, tenant: worlds.Tenant) -> None:
    actions: list[bool] = []
    trap.act_at(Step("", "BEGIN", Moment.BEFORE), lambda: actions.append(True))
    with pytest.raises(Disconnected):
        await worlds.open_with(tenant.account_id, 5)
    await worlds.open_with(tenant.account_id, 5)
    assert actions == [True]
