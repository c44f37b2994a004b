"""Allocations that run at once, are repeated, or lose their connection are made once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from domain.errors import (
    IdempotencyConflict,
    InsufficientPool,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    TryAgain,
)
from domain.ledger import idempotency
from domain.ledger.book import Transfer
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.ledger.allocating import GROUP, MEMBER, POOL, Installation, allocated, make_installation
from tests.ledger.cutting_proxy import CuttingProxy, Moment
from tests.locks import blocked, locked


@pytest.fixture
async def installation(connected: None) -> Installation:
    """Small enough to see through."""
    return await make_installation()


async def test_forty_allocations_at_once_give_no_more_than_there_is(
    installation: Installation,
) -> None:
    given = await asyncio.gather(
        *(allocated(installation, "admin", "member", 50) for _ in range(40)), return_exceptions=True
    )
    assert sum(isinstance(each, Transfer) for each in given) == POOL // 50
    assert sum(isinstance(each, InsufficientPool) for each in given) == 40 - POOL // 50
    held = await installation.held()
    assert (held["pool"], held["member"]) == (0, MEMBER + POOL)
    await db.assert_audit_holds()


async def test_allocations_in_both_directions_at_once_with_sends_lose_nothing(
    installation: Installation,
) -> None:
    moves = [("admin", 5), ("supervisor", 5), ("admin", -5), ("supervisor", -5)] * 10
    await asyncio.gather(
        *(allocated(installation, who, "member", units) for who, units in moves),
        *(db.accept(installation.member) for _ in range(10)),
        return_exceptions=True,
    )
    held = await installation.held()
    sent = await db.fetch(
        "SELECT coalesce(sum(accepted), 0)::int AS n FROM send WHERE client_id = $1",
        installation.member.client_id,
    )
    assert held["pool"] + held["group"] + held["member"] == POOL + GROUP + MEMBER - sent[0]["n"]
    assert min(held["pool"], held["group"], held["member"]) >= 0
    await db.assert_audit_holds()


async def test_fifty_of_one_key_at_once_are_one_allocation(installation: Installation) -> None:
    transfers = await asyncio.gather(
        *(allocated(installation, "admin", "member", 10, key="k") for _ in range(50))
    )
    assert len({transfer.id for transfer in transfers}) == 1
    assert (await installation.held())["member"] == MEMBER + 10


async def test_a_key_answers_as_before_whatever_has_changed_since(
    installation: Installation,
) -> None:
    first = await allocated(installation, "supervisor", "member", GROUP, key="k")
    assert await allocated(installation, "supervisor", "member", GROUP, key="k") == first
    with pytest.raises(IdempotencyConflict):
        await allocated(installation, "supervisor", "member", GROUP - 1, key="k")
    # A key belongs to its user: the same key of another user is a different one.
    await allocated(installation, "admin", "member", 2, key="k")


async def test_a_refusal_leaves_its_key_unused(installation: Installation) -> None:
    await allocated(installation, "supervisor", "member", GROUP)
    with pytest.raises(InsufficientPool):
        await allocated(installation, "supervisor", "member", 1, key="poor")
    await allocated(installation, "admin", "group", 10)
    await allocated(installation, "supervisor", "member", 1, key="poor")


async def test_a_refusal_before_the_transaction_leaves_its_key_unused(
    installation: Installation,
) -> None:
    with pytest.raises(InvalidInput):
        await allocated(installation, "admin", "school", 1, key="k")
    with pytest.raises(NotFound):
        await allocated(installation, "admin", "nobody", 1, key="k")
    await allocated(installation, "admin", "member", 1, key="k")


async def test_a_client_that_leaves_the_group_meanwhile_is_not_given_the_groups_units(
    installation: Installation, worker_database_url: str
) -> None:
    async with locked(
        worker_database_url,
        "UPDATE account SET parent_id = $2 WHERE id = $1",
        installation.member.account_id,
        installation.upstream.account_id,
    ):
        requested = asyncio.create_task(allocated(installation, "supervisor", "member", 10))
        await blocked(requested)
    with pytest.raises(NotFound):
        await requested
    assert (await installation.held())["group"] == GROUP


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("moment", Moment)
async def test_an_allocation_whose_commit_was_lost_is_made_once(
    proxy: CuttingProxy, moment: Moment, key: str | None
) -> None:
    installation = await make_installation()
    proxy.cut_at("COMMIT", moment)
    transfer = await allocated(installation, "admin", "member", 10, key=key)
    assert proxy.cuts == 1
    assert (await installation.held())["member"] == MEMBER + 10 == transfer.destination_balance
    await db.assert_audit_holds()


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("moment", [Moment.UNSENT, Moment.UNANSWERED])
async def test_if_the_outcome_of_a_commit_stays_unknown_the_caller_gets_the_id_of_the_transfer(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch, moment: Moment, key: str | None
) -> None:
    monkeypatch.setattr(idempotency, "PAUSES_SECONDS", (0, 0.001, 0.001))
    installation = await make_installation()
    proxy.cut_at("COMMIT", moment)
    proxy.then_cut_at("BEGIN", Moment.UNSENT, times=2)
    with pytest.raises(OutcomeUnknown) as unknown:
        await allocated(installation, "admin", "member", 10, key=key)
    rows = await _transfers(unknown.value.transfer_id, expected=moment is Moment.UNANSWERED)
    assert len(rows) == (moment is Moment.UNANSWERED)
    if key is not None:
        await allocated(installation, "admin", "member", 10, key=key)
        assert (await installation.held())["member"] == MEMBER + 10


async def _transfers(transfer_id: UUID | None, *, expected: bool) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(TryAgain):  # the pool may still hold connections that were cut
                rows = await db.fetch("SELECT FROM transfer WHERE id = $1", transfer_id)
                if bool(rows) is expected:
                    return rows
            await asyncio.sleep(0.01)
