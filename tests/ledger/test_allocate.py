"""Allocating: who may move units from where to where, and what it changes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from domain.errors import (
    Forbidden,
    InsufficientBalance,
    InsufficientPool,
    InvalidInput,
    NotFound,
    Refusal,
)
from domain.ledger.allocate import LONGEST_NOTE, AllocationRequest, allocate
from domain.ledger.book import LARGEST_UNITS, Purpose, TransferKind
from persistence import store
from tests import db
from tests.ledger.allocating import GROUP, MEMBER, POOL, Installation, allocated, make_installation


@pytest.fixture
async def installation(connected: None) -> Installation:
    """A small installation: one pool, with groups and clients."""
    return await make_installation()


@pytest.mark.parametrize(
    ("who", "whom", "units", "from_", "to"),
    [
        ("admin", "member", 1, "pool", "member"),
        ("admin", "member", POOL, "pool", "member"),
        ("admin", "member", -MEMBER, "member", "pool"),
        ("admin", "loner", 7, "pool", "loner"),
        ("admin", "loner", -7, "loner", "pool"),
        ("admin", "group", 300, "pool", "group"),
        ("admin", "group", -GROUP, "group", "pool"),
        ("supervisor", "member", GROUP, "group", "member"),
        ("supervisor", "member", -MEMBER, "member", "group"),
    ],
)
async def test_units_move_between_these_two_and_nowhere_else(
    installation: Installation, who: str, whom: str, units: int, from_: str, to: str
) -> None:
    before = await installation.held()
    transfer = await allocated(installation, who, whom, units)
    moved = abs(units)
    expected = {**before, from_: before[from_] - moved, to: before[to] + moved}
    assert await installation.held() == expected
    assert (transfer.kind, transfer.amount) == (TransferKind.ALLOCATION, moved)
    assert (transfer.source_id, transfer.source_balance) == (
        installation.node(from_),
        expected[from_],
    )
    assert (transfer.destination_id, transfer.destination_balance) == (
        installation.node(to),
        expected[to],
    )
    assert transfer.purpose.actor_id == installation.actor(who).user_id
    await db.assert_audit_holds()


@pytest.mark.parametrize(
    ("who", "whom", "units", "refusal", "available"),
    [
        ("admin", "member", POOL + 1, InsufficientPool, POOL),
        ("admin", "group", POOL + 1, InsufficientPool, POOL),
        ("admin", "member", LARGEST_UNITS, InsufficientPool, POOL),
        ("admin", "member", -MEMBER - 1, InsufficientBalance, MEMBER),
        ("admin", "group", -GROUP - 1, InsufficientBalance, GROUP),
        ("supervisor", "member", GROUP + 1, InsufficientPool, GROUP),
        ("supervisor", "member", -MEMBER - 1, InsufficientBalance, MEMBER),
    ],
)
async def test_no_more_than_there_is_can_be_moved(
    installation: Installation,
    who: str,
    whom: str,
    units: int,
    refusal: type[Refusal],
    available: int,
) -> None:
    before = await installation.held()
    with pytest.raises(refusal) as refused:
        await allocated(installation, who, whom, units)
    figures = {"required": abs(units), "available": available, "unit": "credit"}
    assert figures.items() <= vars(refused.value).items()
    if refusal is InsufficientPool:
        can_sync = "sync" in str(refused.value)
        assert can_sync is (who == "admin")
    assert await installation.held() == before


@pytest.mark.parametrize(
    ("who", "whom", "refusal"),
    [
        ("admin", "nobody", NotFound),
        ("admin", "no group", NotFound),
        ("admin", "school", InvalidInput),
        ("supervisor", "stranger", NotFound),
        ("supervisor", "loner", NotFound),
        ("supervisor", "school", NotFound),
        ("supervisor", "nobody", NotFound),
        ("supervisor", "group", NotFound),
        ("supervisor", "other group", NotFound),
        ("leader of nobody", "member", NotFound),
        ("client", "member", Forbidden),
        ("client", "nobody", Forbidden),
        ("client", "group", Forbidden),
    ],
)
@pytest.mark.parametrize("units", [1, -1])
async def test_no_actor_reaches_rows_outside_its_scope(
    installation: Installation, who: str, whom: str, units: int, refusal: type[Refusal]
) -> None:
    before = await installation.held()
    with pytest.raises(refusal):
        await allocated(installation, who, whom, units)
    assert await installation.held() == before


@pytest.mark.parametrize(
    "requested",
    [
        AllocationRequest(client_id=None, group_id=None, units=1),
        AllocationRequest(client_id=UUID(int=1), group_id=UUID(int=2), units=1),
        AllocationRequest(client_id=UUID(int=1), group_id=None, units=0),
        AllocationRequest(client_id=UUID(int=1), group_id=None, units=LARGEST_UNITS + 1),
        AllocationRequest(client_id=UUID(int=1), group_id=None, units=-(2**63)),
        AllocationRequest(
            client_id=UUID(int=1), group_id=None, units=1, note="n" * (LONGEST_NOTE + 1)
        ),
        AllocationRequest(client_id=UUID(int=1), group_id=None, units=1, note="a\nb"),
        AllocationRequest(client_id=UUID(int=1), group_id=None, units=1, note="a\0b"),
        AllocationRequest(client_id=UUID(int=1), group_id=None, units=1, key=""),
    ],
)
async def test_an_invalid_allocation_is_refused_before_a_read(requested: AllocationRequest) -> None:
    with pytest.raises(InvalidInput):
        await allocate(store, db.ADMIN, requested)


async def test_a_pool_below_zero_gives_nothing_and_takes_back(installation: Installation) -> None:
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, [installation.upstream.account_id])
        book.post(
            TransferKind.RECONCILE,
            POOL + 5,
            source=book.holdings[installation.upstream.account_id],
            purpose=Purpose(),
        )
        await store.write_book(tx, book)
    with pytest.raises(InsufficientPool) as refused:
        await allocated(installation, "admin", "member", 1)
    assert refused.value.available == 0
    await allocated(installation, "admin", "member", -10)
    assert (await installation.held())["pool"] == 5


async def test_a_balance_stays_within_what_json_can_carry(installation: Installation) -> None:
    await db.open_with(installation.upstream.account_id, LARGEST_UNITS - POOL)
    with pytest.raises(InvalidInput):
        await allocated(installation, "admin", "member", LARGEST_UNITS)
    await allocated(installation, "admin", "member", LARGEST_UNITS - MEMBER)
    assert (await installation.held())["member"] == LARGEST_UNITS
    await db.assert_audit_holds()


@pytest.mark.parametrize(
    ("whom", "units", "rate", "value"),
    [
        ("group", 1000, "0.03", "30.00"),
        ("member", 7, "0.03", "0.21"),  # of its group: the client has no rate
        ("loner", 5000, "0.05", None),
    ],
)
async def test_an_allocation_is_worth_what_it_is_at_that_moment(
    installation: Installation, whom: str, units: int, rate: str, value: str | None
) -> None:
    await db.open_with(installation.upstream.account_id, 10_000)
    transfer = await allocated(installation, "admin", whom, units)
    assert transfer.purpose.value_usd == (None if value is None else Decimal(value))
    assert transfer.purpose.rate_usd == (None if value is None else Decimal(rate))


async def test_five_thousand_at_three_cents_are_a_hundred_and_fifty(connected: None) -> None:
    upstream = await db.add_pool(default=False, held=5_000)
    group = await db.add_group(upstream, rate_usd=Decimal("9"))
    client = await db.add_client(upstream, group=group, held=0, rate_usd=Decimal("0.03"))
    requested = AllocationRequest(client.client_id, None, 5_000, note="March")
    given = (await allocate(store, db.ADMIN, requested)).transfer
    assert str(given.value_usd) == "150.00"
    assert given.note == "March"
    taken = (await allocate(store, db.ADMIN, replace(requested, units=-5_000))).transfer
    assert str(taken.value_usd) == "150.00"
