"""Sync sets a pool to the provider's reading less what is in flight, and moves nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain.errors import (
    Forbidden,
    InsufficientPool,
    InvalidInput,
    NotFound,
    ProviderUnavailable,
    Refusal,
)
from domain.identity.access import Actor, Role
from domain.ledger.alarms import PoolSigns
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.balances import SyncState, Valuation, sync_state
from domain.ledger.sync import Synced, account_to_sync, sync
from domain.provider import Outcome, OutgoingMessage, Rejected, Unknown
from domain.sending.messages import SendKind
from persistence import store
from tests import db
from tests.dispatch.parts import answered, lease_passes, marked
from tests.ledger.cutting_proxy import CuttingProxy, Moment
from tests.ledger.upstream import (
    QUICK,
    Unreadable,
    Upstream,
    account_of,
    is_paused,
    pool_of,
    synced,
)

pytestmark = pytest.mark.usefixtures("connected")


async def test_the_first_reading_opens_the_pool_and_touches_no_client_and_no_group() -> None:
    pool = await db.add_pool(default=False)
    group = await db.add_group(pool, held=20)
    client = await db.add_client(pool, group=group, held=30)
    before = await _nodes(pool)
    done = await synced(pool, Upstream(1_000))
    assert (done.previous_pool, done.change, done.in_flight) == (50, 950, 0)
    after = await _nodes(pool)
    assert after.pop(pool.account_id) == (950, 1)
    assert {group.account_id, client.account_id} == after.keys()
    assert after.items() <= before.items()
    (line,) = await db.fetch(
        "SELECT kind, amount, source_id, sync_id, actor_id FROM transfer WHERE destination_id = $1",
        pool.account_id,
    )
    assert (line["kind"], line["amount"], line["source_id"]) == ("OPENING", 950, None)
    assert line["actor_id"] == db.ADMIN.user_id
    (kept,) = await db.fetch("SELECT * FROM sync WHERE id = $1", line["sync_id"])
    assert (kept["reading_raw"], kept["reading"], kept["in_flight"]) == ("1000", 1_000, 0)
    assert (kept["pool_before"], kept["pool_after"], kept["epoch"]) == (50, 1_000, 1)
    account = await account_of(pool)
    assert (account.epoch, account.reading_raw) == (1, "1000")
    assert account.read_at is not None
    await db.assert_audit_holds()


@pytest.mark.parametrize(("balance", "change"), [(1_000, 0), (1_001, 1), (900, -100), (0, -1_000)])
async def test_each_check_leaves_a_line_also_where_nothing_changes(
    balance: int, change: int
) -> None:
    pool = await db.add_pool(default=False)
    await synced(pool, Upstream(1_000))
    done = await synced(pool, Upstream(balance))
    assert done.change == change
    assert await pool_of(pool) == balance
    (line,) = await db.fetch(
        "SELECT amount, source_id, destination_id FROM transfer"
        " WHERE provider_account_id = $1 AND kind = 'SYNC'",
        pool.id,
    )
    assert line["amount"] == abs(change)
    assert (line["source_id"] is None) is (change >= 0)
    assert (await account_of(pool)).epoch == 2


async def test_a_reading_below_what_is_allocated_leaves_the_pool_below_zero_and_shows_it() -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool, held=100)
    await synced(pool, Upstream(60))
    assert await db.held(pool.account_id) == -40
    assert await db.held(client.account_id) == 100, "clients keep their units"
    with pytest.raises(InsufficientPool):
        await allocate(store, db.ADMIN, AllocationRequest(client.client_id, None, 1))
    await db.accept(client, 10)
    assert await db.held(pool.account_id) == -40, "remaining is not changed by sends"
    await db.assert_audit_holds()


async def test_queued_messages_are_not_in_the_reading_and_unknown_ones_may_be() -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool, held=100)
    for outcome in (Unknown("?"), Rejected("no"), None):
        await db.accept(client)
        (call,) = await marked(pool)
        if outcome:
            await answered(pool, call, outcome)
        else:
            await lease_passes(call)  # crashed: it counts as UNKNOWN
    await db.accept(client, 7)
    done = await synced(pool, Upstream(500))
    assert done.in_flight == 7
    assert await pool_of(pool) == 493


@pytest.mark.parametrize("kind", [SendKind.SINGLE, SendKind.BULK])
async def test_a_message_of_a_crashed_call_is_not_in_flight_also_before_the_sweep(
    kind: SendKind,
) -> None:
    pool = await db.add_pool(default=False)
    await db.accept(await db.add_client(pool, held=100), kind=kind)
    (call,) = await marked(pool)
    await db.execute("UPDATE attempt SET lease_until = now() WHERE id = $1", call.attempt_id)
    assert (await synced(pool, Upstream(500))).in_flight == 0
    assert await pool_of(pool) == 500


@pytest.mark.parametrize(("raw", "units"), [("70000", 100_000), ("20000", 28_570), ("35", 50)])
async def test_an_account_of_a_clients_own_is_set_to_its_reading_times_ten_sevenths(
    raw: str, units: int
) -> None:
    school = await db.add_school(held=0)
    await _value_as_own(school.pool)
    done = await synced(school.pool, Upstream(raw))
    assert done.change == units
    assert await db.held(school.account_id) == units
    assert (await account_of(school.pool)).reading_raw == raw
    await db.assert_audit_holds()


@pytest.mark.parametrize("balance", [None, "NaN", "Infinity", "-1E+300", str(2**63)])
async def test_a_reading_that_fails_leaves_the_last_good_one_with_its_age(
    balance: str | None,
) -> None:
    pool = await db.add_pool(default=False)
    await synced(pool, Upstream(500))
    before = await account_of(pool)
    why = "The account's key is wrong" if balance is None else "did not report a valid balance"
    with pytest.raises(ProviderUnavailable, match=why):
        await synced(pool, Unreadable(0) if balance is None else Upstream(balance))
    after = await account_of(pool)
    assert replace(after, read_failed_at=None) == before
    assert await pool_of(pool) == 500
    assert not await is_paused(pool)
    assert after.read_at is not None
    assert after.read_failed_at is not None
    assert _state(after.read_at, after.read_failed_at) is SyncState.PROVIDER_UNREACHABLE
    await synced(pool, Upstream(400))
    good = await account_of(pool)
    assert _state(good.read_at, good.read_failed_at) is SyncState.IN_SYNC


@pytest.mark.parametrize("moment", Moment)
async def test_a_sync_whose_commit_was_lost_is_made_once(
    proxy: CuttingProxy, moment: Moment
) -> None:
    pool = await db.add_pool(default=False)
    await db.add_client(pool, held=30)
    proxy.cut_at("COMMIT", moment)
    done = await synced(pool, Upstream(500))
    assert proxy.cuts == 1
    assert (done.previous_pool, done.change) == (30, 470)
    assert await pool_of(pool) == 500
    assert (await account_of(pool)).epoch == 1
    assert not await is_paused(pool)


async def test_a_sync_is_reported_even_if_its_pause_cannot_be_lifted(proxy: CuttingProxy) -> None:
    """The pause has ended already: what follows the commit is for failures before it."""
    pool = await db.add_pool(default=False)
    proxy.cut_at('UPDATE "provider_account" SET "reading_until"=', Moment.UNSENT)
    assert (await synced(pool, Upstream(500))).change == 500
    assert proxy.cuts == 1
    assert not await is_paused(pool)


# Who may sync


@pytest.mark.parametrize(
    ("who", "whose", "refusal"),
    [
        ("admin", "own", None),
        ("admin", "platform", None),
        ("admin", "unknown", NotFound),
        ("school", "own", None),
        ("school", None, None),
        ("school", "platform", NotFound),
        ("school", "unknown", NotFound),
        ("client", None, Forbidden),
        ("client", "platform", Forbidden),
        ("client", "unknown", Forbidden),
        ("supervisor", None, Forbidden),
        ("supervisor", "platform", Forbidden),
    ],
)
async def test_who_may_check_which_balance(
    who: str, whose: str | None, refusal: type[Refusal] | None
) -> None:
    client = await db.add_client(await db.add_pool(default=False))
    school = await db.add_school()
    actor = {
        "admin": db.ADMIN,
        "school": school.actor,
        "client": client.actor,
        "supervisor": Actor(uuid4(), Role.SUPERVISOR, uuid4(), group_id=uuid4()),
    }[who]
    account_id = {
        "own": school.pool.id,
        "platform": client.pool.id,
        "unknown": uuid4(),
        None: None,
    }
    if refusal is None:
        account = await account_to_sync(store, actor, account_id[whose])
        assert account.id in (account_id[whose], school.pool.id)
    else:
        with pytest.raises(refusal):
            await account_to_sync(store, actor, account_id[whose])


def _state(read_at: datetime | None, failed_at: datetime | None) -> SyncState:
    now = datetime.now(UTC) + timedelta(seconds=1)
    return sync_state(PoolSigns(now, read_at, failed_at), remaining=0, now=now)


async def _nodes(pool: db.Pool) -> dict[object, tuple[int, int]]:
    rows = await db.fetch(
        "SELECT id, held, version FROM account WHERE provider_account_id = $1", pool.id
    )
    return {row["id"]: (row["held"], row["version"]) for row in rows}


async def _value_as_own(pool: db.Pool) -> None:
    await db.execute(
        "UPDATE provider_account SET valuation = $2 WHERE id = $1",
        pool.id,
        Valuation.EGOSMS_OWN.value,
    )


class WithoutBalance:
    """A provider whose API reports no balance."""

    largest_batch = 1

    async def send(self, message: OutgoingMessage) -> Outcome:
        raise NotImplementedError

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        raise NotImplementedError

    async def close(self) -> None:
        return None


async def test_the_pool_of_a_provider_without_a_balance_is_set_by_hand() -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool, held=30)
    await db.accept(client, 7)
    account = await account_of(pool)

    async def set_to(by_hand: int | None) -> Synced:
        actor_id = db.ADMIN.user_id
        return await sync(
            store, WithoutBalance(), account, actor_id=actor_id, rules=QUICK, by_hand=by_hand
        )

    with pytest.raises(ProviderUnavailable, match="by hand"):
        await set_to(None)
    assert (await account_of(pool)).read_failed_at is None, "no reading has failed"
    done = await set_to(500)
    assert (done.change, done.in_flight) == (470, 7)
    assert await pool_of(pool) == 493
    assert (await account_of(pool)).reading_raw == "500"
    await db.assert_audit_holds()


async def test_a_provider_that_reports_its_balance_takes_none_by_hand() -> None:
    pool = await db.add_pool(default=False)
    account = await account_of(pool)
    with pytest.raises(InvalidInput, match=r"Leave `reading` out .*`--reading`"):
        await sync(store, Upstream(5), account, actor_id=None, rules=QUICK, by_hand=1)
    assert await pool_of(pool) == 0
