"""moveClient: a client that holds nothing goes to the pool of another provider account."""

from __future__ import annotations

import pytest

from domain.errors import InvalidInput, NotFound
from domain.identity.clients import ClientChange, update_client
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.balances import BalanceView
from domain.ledger.credentials import move_client
from domain.numbers import Normaliser
from domain.sending.messages import LATER
from persistence import store
from tests import db
from tests.installations import App


async def pool_of(client_id: object) -> object:
    rows = await db.fetch(
        "SELECT provider_account_id FROM client JOIN account ON account.id = account_id"
        " WHERE client.id = $1",
        client_id,
    )
    return rows[0]["provider_account_id"]


async def test_a_client_that_holds_nothing_moves_and_is_charged_there(app: App) -> None:
    other = await db.add_pool(held=10, default=False)
    client = await db.add_client(app.pool, held=1)
    await db.accept(client)
    await db.execute("UPDATE message SET status = 'CANCELLED'")
    views = [BalanceView(client_id=client.client_id), BalanceView()]
    before = [(await store.read_balances(view)).version for view in views]
    moved = await move_client(store, client.client_id, other.id)
    assert await pool_of(client.client_id) == other.id
    after = [(await store.read_balances(view)).version for view in views]
    assert all(new >= old for new, old in zip(after, before, strict=True))
    given = AllocationRequest(client.client_id, None, 4, note=None, key=None)
    await allocate(store, db.ADMIN, given)
    assert await db.held(moved.account_id) == 4
    assert await db.held(other.account_id) == 6
    assert (await move_client(store, client.client_id, other.id)).account_id == moved.account_id
    with pytest.raises(InvalidInput, match="holds 4 units"):
        await move_client(store, client.client_id, app.pool.id)


@pytest.mark.parametrize("later", [0, LATER])
@pytest.mark.parametrize("status", ["QUEUED", "SUBMITTING", "UNKNOWN"])
async def test_a_client_with_unfinished_messages_stays(app: App, status: str, later: int) -> None:
    """`later`: the messages are scheduled."""
    other = await db.add_pool(default=False)
    client = await db.add_client(app.pool, held=3)
    send = await db.accept(client, 3)
    await db.execute(
        "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages,"
        " started_at, lease_until) VALUES ($1, $2, $1, 0, 3, now(), now())",
        send.id,
        app.pool.id,
    )
    await db.execute(
        "UPDATE message SET status = $1, attempt_id = $2, priority = priority + $3",
        status,
        send.id,
        later,
    )
    with pytest.raises(InvalidInput, match="3 messages of the client") as refused:
        await move_client(store, client.client_id, other.id)
    assert refused.value.field == "clientId"
    assert await pool_of(client.client_id) == app.pool.id


async def test_a_client_leaves_its_group_first_and_joins_one_of_the_other_pool(app: App) -> None:
    other = await db.add_pool(default=False)
    group = await db.add_group(other, name="There")
    client = await db.add_client(app.pool, held=0, group=app.group)
    with pytest.raises(InvalidInput, match="group"):
        await move_client(store, client.client_id, other.id)

    async def join(group_id: object) -> None:
        change = ClientChange(group_id=group_id)  # type: ignore[arg-type]
        await update_client(store, Normaliser(), client.client_id, change)

    await join(None)
    await move_client(store, client.client_id, other.id)
    with pytest.raises(InvalidInput, match="another pool"):
        await join(app.group.id)
    await join(group.id)
    figures = (await store.read_balances(BalanceView(client_id=client.client_id))).group
    assert figures is not None
    assert figures.name == "There"
    await db.assert_audit_holds()


async def test_an_account_of_another_client_and_one_that_does_not_exist(app: App) -> None:
    school = await db.add_school(held=0)
    client = await db.add_client(app.pool, held=0)
    with pytest.raises(InvalidInput, match="owns"):
        await move_client(store, client.client_id, school.pool.id)
    for client_id, account_id in ((client.client_id, client.client_id), (app.pool.id, app.pool.id)):
        with pytest.raises(NotFound):
            await move_client(store, client_id, account_id)
    # A school goes to a pool of the platform, and back to its own account.
    await move_client(store, school.client_id, app.pool.id)
    assert await pool_of(school.client_id) == app.pool.id
    back = await move_client(store, school.client_id, school.pool.id)
    assert back.account_id == school.account_id
