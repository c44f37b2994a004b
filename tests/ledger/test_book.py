"""The book: only a posted transfer changes a holding, and each one adds 1 to the version."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.ledger.book import (
    LARGEST_UNITS,
    Book,
    Holding,
    NodeKind,
    Purpose,
    TransferKind,
    can_pay,
)

POOL = uuid4()
NOTHING = Purpose()


def holding(held: int = 100, version: int = 3) -> Holding:
    return Holding(uuid4(), POOL, NodeKind.CLIENT, uuid4(), held, version)


def book_of(*holdings: Holding) -> Book:
    return Book({each.account_id: each for each in holdings})


@pytest.mark.parametrize(
    ("held", "amount", "pays"),
    [
        (100, 100, True),
        (100, 101, False),
        (0, 1, False),
        (-1, 1, False),
        (-5, 0, False),
        (0, 0, True),
        (LARGEST_UNITS, LARGEST_UNITS, True),
        (LARGEST_UNITS, 2**63, False),
    ],
)
def test_a_node_pays_what_it_holds_and_no_more(held: int, amount: int, pays: bool) -> None:
    assert can_pay(holding(held), amount) is pays


def test_a_transfer_moves_units_and_says_what_it_left_at_either_end() -> None:
    source, destination = holding(100, 3), holding(7, 0)
    book = book_of(source, destination)
    send_id = uuid4()
    transfer = book.post(
        TransferKind.ALLOCATION,
        30,
        source=source,
        destination=destination,
        purpose=Purpose(send_id=send_id),
    )
    assert (source.held, source.version) == (70, 4)
    assert (destination.held, destination.version) == (37, 1)
    assert (transfer.source_id, transfer.source_balance, transfer.source_version) == (
        source.account_id,
        70,
        4,
    )
    assert (
        transfer.destination_id,
        transfer.destination_balance,
        transfer.destination_version,
    ) == (destination.account_id, 37, 1)
    assert (transfer.kind, transfer.amount, transfer.provider_account_id) == (
        TransferKind.ALLOCATION,
        30,
        POOL,
    )
    assert transfer.purpose.send_id == send_id
    assert book.transfers == [transfer]


@pytest.mark.parametrize("end", ["source", "destination"])
def test_the_other_end_of_a_transfer_may_be_outside(end: str) -> None:
    node = holding(100, 3)
    ends: dict[str, Any] = {end: node}
    transfer = book_of(node).post(TransferKind.SYNC, 30, **ends, purpose=NOTHING)
    other = "destination" if end == "source" else "source"
    assert getattr(transfer, f"{end}_balance") == node.held == (70 if end == "source" else 130)
    assert [getattr(transfer, f"{other}_{each}") for each in ("id", "balance", "version")] == [
        None,
        None,
        None,
    ]


def test_a_transfer_from_outside_to_outside_is_not_a_transfer() -> None:
    with pytest.raises(ValueError, match="a source or a destination"):
        book_of().post(TransferKind.SYNC, 1, purpose=NOTHING)


@pytest.mark.parametrize("full_end", ["source", "destination"])
def test_a_transfer_beyond_what_json_can_carry_is_refused_and_leaves_the_book_as_it_was(
    full_end: str,
) -> None:
    poor, rich = holding(-LARGEST_UNITS, 5), holding(LARGEST_UNITS, 5)
    middle = holding(0, 5)
    source, destination = (poor, middle) if full_end == "source" else (middle, rich)
    book = book_of(source, destination)
    before = [(each.held, each.version) for each in (source, destination)]
    with pytest.raises(InvalidInput):
        book.post(
            TransferKind.ALLOCATION, 1, source=source, destination=destination, purpose=NOTHING
        )
    assert [(each.held, each.version) for each in (source, destination)] == before
    assert book.transfers == []
    assert book.changed() == []


@given(
    st.lists(
        st.tuples(st.integers(-1, 3), st.integers(-1, 3), st.integers(0, 2**40)).filter(
            lambda move: move[0] != move[1]
        ),
        max_size=30,
    )
)
def test_whatever_is_posted_holdings_are_the_sum_of_transfers_and_versions_have_no_gap(
    moves: list[tuple[int, int, int]],
) -> None:
    nodes = [holding(0, 0) for _ in range(4)]
    book = book_of(*nodes)
    for source, destination, amount in moves:
        book.post(
            TransferKind.RECONCILE,
            amount,
            source=nodes[source] if source >= 0 else None,
            destination=nodes[destination] if destination >= 0 else None,
            purpose=NOTHING,
        )
    for node in nodes:
        entries = _entries(book, node.account_id)
        assert [version for version, _, _ in entries] == list(range(1, node.version + 1))
        assert node.held == sum(change for _, change, _ in entries)
        total = 0
        for _, change, balance in entries:
            total += change
            assert balance == total
    touched = {each.account_id for each in nodes if each.version}
    assert [each.account_id for each in book.changed()] == sorted(touched, key=str)


def _entries(book: Book, account_id: UUID) -> list[tuple[int | None, int, int | None]]:
    """Version, change and balance of each transfer at the node, in order."""
    entries: list[tuple[int | None, int, int | None]] = []
    for transfer in book.transfers:
        if transfer.source_id == account_id:
            entries.append((transfer.source_version, -transfer.amount, transfer.source_balance))
        if transfer.destination_id == account_id:
            entries.append(
                (transfer.destination_version, transfer.amount, transfer.destination_balance)
            )
    return entries
