"""The database itself refuses wrong accounts and transfers, each by the constraint for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.ids import new_id
from tests import db
from tests.databases import OtherConnection
from tests.persistence.connections import insert, update

LARGEST = 2**53 - 1


@dataclass(frozen=True)
class Small:
    """A pool whose client holds 100 at version 1, and another pool's client that does too."""

    upstream: db.Pool
    client: db.Tenant
    sibling: db.Tenant
    stranger: db.Tenant

    def transfer(self, **columns: object) -> dict[str, object]:
        """The client's next transfer, a send of 10, with some columns changed."""
        return {
            "id": new_id(),
            "provider_account_id": self.upstream.id,
            "kind": "SEND",
            "amount": 10,
            "source_id": self.client.account_id,
            "source_balance": 90,
            "source_version": 2,
            "send_id": new_id(),
            **columns,
        }

    def allocation(self, to: UUID) -> dict[str, object]:
        """The same as an allocation, with the other end at version 2 too."""
        return self.transfer(
            kind="ALLOCATION", destination_id=to, destination_balance=110, destination_version=2
        )


@pytest.fixture
async def small(connected: None) -> Small:
    """The small setup of these tests."""
    upstream, other = [await db.add_pool(default=False) for _ in range(2)]
    clients = [await db.add_client(pool, held=100) for pool in (upstream, upstream, other)]
    return Small(upstream, *clients)


# Accounts


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("account_not_below_zero", {"held": -1}),
        ("account_not_below_zero", {"held": -6, "arrears": 5}),
        ("account_not_below_zero", {"kind": "GROUP", "held": -1}),
        ("account_arrears_positive", {"arrears": -1}),
        ("account_bounded", {"held": LARGEST + 1}),
        ("account_bounded", {"kind": "POOL", "parent_id": None, "held": -LARGEST - 1}),
        ("account_bounded", {"held": 2**63 - 1}),
        ("account_bounded", {"version": -1}),
        ("account_kind_known", {"kind": "client"}),
        ("account_parent_fits", {"parent_id": None}),
        ("account_parent_fits", {"kind": "POOL"}),
    ],
)
async def test_an_account_is_refused(
    small: Small, undone: OtherConnection, rule: str, change: Mapping[str, object]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await update(undone, "account", small.client.account_id, change)
    assert refused.value.constraint_name == rule


@pytest.mark.parametrize(
    "change",
    [
        {"held": 0},
        {"held": -5, "arrears": 5},
        {"held": 2**31},
        {"held": LARGEST},
        {"kind": "POOL", "parent_id": None, "held": -LARGEST},
    ],
)
async def test_an_account_is_kept(
    small: Small, undone: OtherConnection, change: Mapping[str, object]
) -> None:
    await update(undone, "account", small.client.account_id, change)


# Transfers


@pytest.mark.parametrize(
    ("rule", "columns"),
    [
        ("transfer_kind_known", {"kind": "GIFT"}),
        ("transfer_amount_positive", {"amount": 0}),
        ("transfer_amount_positive", {"amount": -1}),
        ("transfer_amount_positive", {"amount": LARGEST + 1}),
        ("transfer_amount_positive", {"amount": 2**63 - 1}),
        ("transfer_source_whole", {"source_balance": None}),
        ("transfer_source_whole", {"source_version": None}),
        ("transfer_destination_whole", {"kind": "RECONCILE", "destination_balance": 0}),
        ("transfer_destination_whole", {"kind": "RECONCILE", "destination_id": UUID(int=7)}),
        ("transfer_shape_fits_kind", {"send_id": None}),
        ("transfer_shape_fits_kind", {"kind": "OPENING"}),
        ("transfer_shape_fits_kind", {"kind": "ALLOCATION"}),
        ("transfer_shape_fits_kind", {"kind": "REFUND"}),
        ("transfer_shape_fits_kind", {"kind": "SYNC"}),
    ],
)
async def test_a_transfer_is_refused(
    small: Small, undone: OtherConnection, rule: str, columns: Mapping[str, object]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await insert(undone, "transfer", small.transfer(**columns))
    assert refused.value.constraint_name == rule


async def test_a_transfer_from_nowhere_to_nowhere_is_refused(
    small: Small, undone: OtherConnection
) -> None:
    nowhere = {"source_id": None, "source_balance": None, "source_version": None}
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await insert(undone, "transfer", small.transfer(kind="RECONCILE", **nowhere))
    assert refused.value.constraint_name in ("transfer_has_an_end", "transfer_ends_differ")


async def test_a_transfer_from_a_node_to_itself_is_refused(
    small: Small, undone: OtherConnection
) -> None:
    to_itself = small.allocation(small.client.account_id)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await insert(undone, "transfer", to_itself)
    assert refused.value.constraint_name == "transfer_ends_differ"


@pytest.mark.parametrize(
    ("has_own_id", "constraint"),
    [(False, "transfer_pkey"), (True, "transfer_charge_with_own_id")],
)
async def test_a_second_charge_for_one_send_is_refused(
    small: Small, undone: OtherConnection, has_own_id: bool, constraint: str
) -> None:
    send_id = new_id()
    of_send = {"send_id": send_id} if has_own_id else {"send_id": send_id, "id": send_id}
    first = small.transfer(**of_send)
    await update(undone, "account", small.client.account_id, {"held": 90, "version": 2})
    await insert(undone, "transfer", first)
    await update(undone, "account", small.client.account_id, {"held": 80, "version": 3})
    second = small.transfer(source_balance=80, source_version=3, **of_send)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await insert(undone, "transfer", second)
    assert refused.value.constraint_name == constraint


@pytest.mark.parametrize("amount", [2**31 - 1, 2**31, 2**32, LARGEST])
async def test_an_amount_within_the_bounds_is_kept(
    small: Small, undone: OtherConnection, amount: int
) -> None:
    await update(
        undone, "account", small.client.account_id, {"held": LARGEST - amount, "version": 2}
    )
    await insert(undone, "transfer", small.transfer(amount=amount, source_balance=LARGEST - amount))


@pytest.mark.parametrize("column", ["amount", "source_balance", "source_version"])
async def test_numbers_over_eight_bytes_cannot_be_written(
    small: Small, undone: OtherConnection, column: str
) -> None:
    with pytest.raises(asyncpg.DataError):
        await insert(undone, "transfer", small.transfer(**{column: 2**63}))


# The history of a node


async def test_the_next_transfer_of_a_node_is_kept(small: Small, undone: OtherConnection) -> None:
    await update(undone, "account", small.client.account_id, {"held": 90, "version": 2})
    await update(undone, "account", small.sibling.account_id, {"held": 110, "version": 2})
    await insert(undone, "transfer", small.allocation(small.sibling.account_id))


@pytest.mark.parametrize(
    ("account", "transfer"),
    [
        pytest.param({}, {"source_balance": 90}, id="the account says nothing of it"),
        pytest.param({"held": 90}, {"source_version": 2}, id="its version was left as it was"),
        pytest.param({"held": 91, "version": 2}, {}, id="it holds something else"),
        pytest.param({"held": 90, "version": 3}, {"source_version": 3}, id="a gap"),
        pytest.param({"held": 90, "version": 3}, {}, id="a gap, on the account alone"),
        pytest.param(
            {"held": 90, "version": 1}, {"source_version": 1}, id="a fork, at the other end"
        ),
        pytest.param(
            {"held": 90, "version": 0}, {"source_version": 0}, id="before the first of all"
        ),
    ],
)
async def test_a_transfer_that_is_not_the_next_of_its_node_is_refused(
    small: Small,
    undone: OtherConnection,
    account: Mapping[str, object],
    transfer: Mapping[str, object],
) -> None:
    if account:
        await update(undone, "account", small.client.account_id, account)
    with pytest.raises(asyncpg.CheckViolationError, match="the next one"):
        await insert(undone, "transfer", small.transfer(**transfer))


async def test_a_fork_at_the_same_end_is_refused(small: Small, undone: OtherConnection) -> None:
    await update(undone, "account", small.client.account_id, {"held": 90, "version": 2})
    await insert(undone, "transfer", small.transfer())
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await insert(undone, "transfer", small.transfer())
    assert refused.value.constraint_name == "transfer_by_source"


async def test_a_transfer_over_two_pools_is_refused(small: Small, undone: OtherConnection) -> None:
    await update(undone, "account", small.client.account_id, {"held": 90, "version": 2})
    await update(undone, "account", small.stranger.account_id, {"held": 110, "version": 2})
    with pytest.raises(asyncpg.CheckViolationError, match="one pool"):
        await insert(undone, "transfer", small.allocation(small.stranger.account_id))


async def test_a_transfer_under_another_pools_name_is_refused(
    small: Small, undone: OtherConnection
) -> None:
    await update(undone, "account", small.client.account_id, {"held": 90, "version": 2})
    misnamed = small.transfer(provider_account_id=small.stranger.pool.id)
    with pytest.raises(asyncpg.CheckViolationError, match="one pool"):
        await insert(undone, "transfer", misnamed)


async def test_a_transfer_of_no_account_is_refused(small: Small, undone: OtherConnection) -> None:
    nobodys = small.transfer(source_id=uuid4(), source_version=1)
    with pytest.raises(asyncpg.CheckViolationError, match="one pool"):
        await insert(undone, "transfer", nobodys)
