"""The statement of an account: every transfer that touched it, newest first, none missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import NotFound
from domain.ids import new_id
from domain.ledger.balances import BalanceView
from domain.ledger.book import Book, Purpose, TransferKind
from domain.ledger.statement import StatementFilter, StatementLine, StatementOrder
from domain.pages import Window
from persistence import store
from persistence.ledger.statement import find_line, read_statement
from tests import db

UNKNOWN_ID = UUID(int=404)


@dataclass(frozen=True, slots=True)
class Move:
    """One transfer between two of a setup's nodes by their places; None is outside."""

    kind: TransferKind
    source: int | None
    destination: int | None
    units: int


POOL, GROUP, CLIENT, OTHER = range(4)
SHAPES = [
    (TransferKind.OPENING, None, POOL),
    (TransferKind.OPENING, None, CLIENT),
    (TransferKind.ALLOCATION, POOL, GROUP),
    (TransferKind.ALLOCATION, POOL, CLIENT),
    (TransferKind.ALLOCATION, GROUP, CLIENT),
    (TransferKind.ALLOCATION, CLIENT, GROUP),
    (TransferKind.ALLOCATION, OTHER, POOL),
    (TransferKind.SEND, CLIENT, None),
    (TransferKind.SEND, OTHER, None),
    (TransferKind.REFUND, None, CLIENT),
    (TransferKind.REFUND, POOL, CLIENT),
    (TransferKind.SYNC, None, POOL),
    (TransferKind.SYNC, POOL, None),
    (TransferKind.RECONCILE, CLIENT, None),
    (TransferKind.RECONCILE, CLIENT, POOL),
]
moves = st.builds(
    lambda shape, units: Move(shape[0], shape[1], shape[2], units),
    st.sampled_from(SHAPES),
    st.integers(1, 2**40),
)


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[None]:
    async with db.connected(database_url):
        yield


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(moves, max_size=40), size=st.integers(1, 7))
async def test_the_balances_of_a_statement_are_an_unbroken_chain(
    connected: None, history: list[Move], size: int
) -> None:
    pool = await db.add_pool(default=False)
    group = await db.add_group(pool)
    client = await db.add_client(pool, group=group, held=0)
    other = await db.add_client(pool, held=0)
    nodes = [pool.account_id, group.account_id, client.account_id, other.account_id]
    book = await play(nodes, history)
    views = [
        BalanceView(provider_account_id=pool.id),
        BalanceView(group_id=group.id),
        BalanceView(client_id=client.client_id),
        BalanceView(client_id=other.client_id),
    ]
    for node, view in zip(nodes, views, strict=True):
        lines = await walk(view, size)
        assert lines == list(reversed(await walk(view, size, backwards=True)))
        assert [line.version for line in lines] == list(range(len(lines), 0, -1))
        touched = [
            each.id for each in book.transfers if node in (each.source_id, each.destination_id)
        ]
        assert [line.id for line in lines] == touched[::-1]
        balance = await db.held(node)
        for line in lines:
            assert line.balance_after == balance
            balance -= line.amount
        assert balance == 0


async def play(nodes: Sequence[UUID], history: Sequence[Move]) -> Book:
    """Writes the history. Units that a client or a group does not hold do not move."""
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, nodes)
        for move in history:
            source = None if move.source is None else book.holdings[nodes[move.source]]
            target = None if move.destination is None else book.holdings[nodes[move.destination]]
            if source is not None and move.source != POOL and source.held < move.units:
                continue
            book.post(
                move.kind,
                move.units,
                source=source,
                destination=target,
                purpose=Purpose(send_id=new_id(), sync_id=new_id()),
            )
        if book.transfers:
            await store.write_book(tx, book)
    return book


async def walk(view: BalanceView, size: int, *, backwards: bool = False) -> list[StatementLine]:
    """The whole statement, page by page, in the order in which it was walked."""
    lines: list[StatementLine] = []
    more = True
    while more:
        window: Window[Any] = (
            Window(size, before=lines[-1].version if lines else None, from_end=True)
            if backwards
            else Window(size, after=lines[-1].version if lines else None)
        )
        page = await read_statement(view, window)
        lines += list(reversed(page.items)) if backwards else page.items
        more = page.has_previous if backwards else page.has_next
    return lines


async def test_a_statement_lists_all_that_happened_to_a_client(connected: None) -> None:
    pool = await db.add_pool(held=900)
    client = await db.add_client(pool, held=100, name="Acme")
    send = await db.accept(client, 3)
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, [client.account_id, pool.account_id])
        holding, pool_node = book.holdings[client.account_id], book.holdings[pool.account_id]
        refund = Purpose(send_id=send.id)
        book.post(TransferKind.REFUND, 2, source=pool_node, destination=holding, purpose=refund)
        await store.write_book(tx, book)
    page = await read_statement(BalanceView(client_id=client.client_id), Window(25))
    assert [(line.amount, line.balance_after, line.description) for line in page.items] == [
        (2, 99, "Refund for 2 messages that were not sent"),
        (-3, 97, "Sent 3 messages"),
        (100, 100, "Opening balance"),
    ]
    assert [line.send_id for line in page.items] == [send.id, send.id, None]
    assert {line.unit for line in page.items} == {"credit"}
    page = await read_statement(BalanceView(), Window(25))
    assert [(line.amount, line.balance_after, line.description) for line in page.items] == [
        (-2, 898, "Refund to Acme for 2 messages that were not sent"),
        (900, 900, "Opening balance"),
    ]


async def test_a_price_of_fifty_is_fifty_units_a_message(connected: None) -> None:
    school = await db.add_school(held=1_000, price=50)
    await db.accept(school, 4)
    page = await read_statement(BalanceView(client_id=school.client_id), Window(1))
    assert [(line.amount, line.unit, line.description) for line in page.items] == [
        (-200, "UGX", "Sent 4 messages")
    ]
    assert page.has_next


async def test_a_client_outside_of_the_view_has_no_statement(connected: None) -> None:
    pool = await db.add_pool()
    group = await db.add_group(pool)
    client = await db.add_client(pool, held=5)
    for outside in (
        BalanceView(client_id=UNKNOWN_ID),
        BalanceView(client_id=UNKNOWN_ID, within_group_id=group.id),
        BalanceView(client_id=client.client_id, within_group_id=group.id),
    ):
        with pytest.raises(NotFound):
            await read_statement(outside, Window(25))


async def test_one_transfer_is_a_line_from_either_end_and_from_no_other(connected: None) -> None:
    pool = await db.add_pool(held=10)
    client = await db.add_client(pool, held=0, name="Acme")
    stranger = await db.add_client(pool, held=0)
    nodes = [pool.account_id, stranger.account_id, client.account_id]
    book = await play(nodes, [Move(TransferKind.ALLOCATION, 0, 2, 4)])
    transfer_id = book.transfers[0].id
    given = await find_line(pool.account_id, transfer_id)
    assert (given.amount, given.balance_after) == (-4, 6)
    assert given.description == "Allocated 4 credits to Acme"
    taken = await find_line(client.account_id, transfer_id)
    assert (taken.amount, taken.balance_after) == (4, 4)
    assert taken.description == "Allocated 4 credits"
    for account_id, wanted in ((stranger.account_id, transfer_id), (pool.account_id, UNKNOWN_ID)):
        with pytest.raises(NotFound):
            await find_line(account_id, wanted)


async def test_a_statement_is_filtered_by_time_and_listed_in_either_order(connected: None) -> None:
    client = await db.add_client(held=100)
    for _ in range(4):
        await db.accept(client)
    view = BalanceView(client_id=client.client_id)
    all_lines = (await read_statement(view, Window(25))).items
    newest, second, third, fourth, opening = all_lines
    between = StatementFilter(created_after=fourth.created_at, created_before=newest.created_at)
    page = await read_statement(view, Window(25), filter=between)
    assert page.items == [second, third, fourth], "the first time is included, the last is not"
    page = await read_statement(view, Window(2), filter=between, order=StatementOrder.OLDEST)
    assert page.items == [fourth, third]
    assert page.has_next
    page = await read_statement(
        view, Window(2, after=third.version), filter=between, order=StatementOrder.OLDEST
    )
    assert (page.items, page.has_next, page.has_previous) == ([second], False, True)
    last: Window[int] = Window(2, from_end=True)
    page = await read_statement(view, last, order=StatementOrder.OLDEST)
    assert (page.items, page.has_next, page.has_previous) == ([second, newest], False, True)
    first_of_last: Window[int] = Window(1, before=fourth.version, from_end=True)
    page = await read_statement(view, first_of_last, order=StatementOrder.OLDEST)
    assert (page.items, page.has_previous) == ([opening], False)
