"""A trigger on PostgreSQL's wire acts at the named step, and at no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.transactions import Disconnected
from persistence.ledger import transfers as ledger
from tests import db
from tests.faults.proxy import proxying
from tests.faults.triggers import COMMIT, Moment, StatementTrigger, Step


@pytest.fixture
async def trigger(worker_database_url: str) -> AsyncIterator[StatementTrigger]:
    """A trigger on all connections of this process to PostgreSQL."""
    parts = urlsplit(worker_database_url)
    far_end = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    trigger = StatementTrigger()
    async with proxying(far_end, interceptor=trigger.interceptor) as proxy:
        url = f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}?sslmode=disable"
        async with db.connected(url, pool_size=3):
            yield trigger


@pytest.fixture
async def tenant(trigger: StatementTrigger) -> db.Tenant:
    return await db.add_client(await db.add_pool(default=False), held=0)


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
    trigger: StatementTrigger,
    tenant: db.Tenant,
    statement: str,
    moment: Moment,
    kept: bool,
    times_before: int,
) -> None:
    for _ in range(times_before):  # the statement is prepared by then
        await db.open_with(tenant.account_id, 5)
    step = Step("", statement, moment, within=ledger.LOCK_ACCOUNTS if statement is COMMIT else None)
    reached = trigger.act_at(step, lambda: None)
    with pytest.raises(Disconnected):
        await db.open_with(tenant.account_id, 5)
    assert reached.is_set()
    assert await db.held(tenant.account_id) == 5 * (times_before + kept)


async def test_the_commit_of_another_transaction_is_not_cut(
    trigger: StatementTrigger, tenant: db.Tenant
) -> None:
    reached = trigger.act_at(Step("", COMMIT, Moment.BEFORE, within=ledger.TAKE_KEY), lambda: None)
    await db.open_with(tenant.account_id, 5)
    assert not reached.is_set()
    trigger.remove()


async def test_a_trigger_acts_once(trigger: StatementTrigger, tenant: db.Tenant) -> None:
    actions: list[bool] = []
    trigger.act_at(Step("", "BEGIN", Moment.BEFORE), lambda: actions.append(True))
    with pytest.raises(Disconnected):
        await db.open_with(tenant.account_id, 5)
    await db.open_with(tenant.account_id, 5)
    assert actions == [True]
