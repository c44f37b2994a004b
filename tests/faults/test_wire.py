"""What listens in on PostgreSQL's wire strikes at the step that was named, and at no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.transactions import Disconnected
from persistence.ledger import transfers as ledger
from tests import worlds
from tests.faults.proxy import proxying
from tests.faults.wire import COMMIT, Moment, Step, Wire


@pytest.fixture
async def wire(worker_database_url: str) -> AsyncIterator[Wire]:
    """This process is connected by a wire that is listened in on."""
    parts = urlsplit(worker_database_url)
    far_end = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    wire = Wire()
    async with proxying(far_end, tap=wire.tap) as proxy:
        url = f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}?sslmode=disable"
        async with worlds.connected(url, pool_size=3):
            yield wire


@pytest.fixture
async def tenant(wire: Wire) -> worlds.Tenant:
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
async def test_a_connection_ends_at_the_step_that_was_named(
    wire: Wire,
    tenant: worlds.Tenant,
    statement: str,
    moment: Moment,
    kept: bool,
    times_before: int,
) -> None:
    for _ in range(times_before):  # PostgreSQL knows the statement by then
        await worlds.open_with(tenant.account_id, 5)
    step = Step("", statement, moment, within=ledger.LOCK_ACCOUNTS if statement is COMMIT else None)
    struck = wire.lie_in_wait(step, lambda: None)
    with pytest.raises(Disconnected):
        await worlds.open_with(tenant.account_id, 5)
    assert struck.is_set()
    assert await worlds.held(tenant.account_id) == 5 * (times_before + kept)


async def test_the_commit_of_another_transaction_is_let_through(
    wire: Wire, tenant: worlds.Tenant
) -> None:
    struck = wire.lie_in_wait(Step("", COMMIT, Moment.BEFORE, within=ledger.TAKE_KEY), lambda: None)
    await worlds.open_with(tenant.account_id, 5)
    assert not struck.is_set()
    wire.give_up()


async def test_it_strikes_once(wire: Wire, tenant: worlds.Tenant) -> None:
    strikes: list[bool] = []
    wire.lie_in_wait(Step("", "BEGIN", Moment.BEFORE), lambda: strikes.append(True))
    with pytest.raises(Disconnected):
        await worlds.open_with(tenant.account_id, 5)
    await worlds.open_with(tenant.account_id, 5)
    assert strikes == [True]
