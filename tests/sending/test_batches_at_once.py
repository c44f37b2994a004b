"""Two batches under way: each account in one of them only, in order of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.loops import Batcher
from tests.sending.test_batcher import CannotDecide, until

Payment = tuple[str, int]
"""An account and a number."""


class PairDecider:
    """Decides pairs of an account and a number. Each batch waits until it may end."""

    def __init__(self) -> None:
        self.begun: list[list[Payment]] = []
        self.under_way: list[tuple[list[Payment], asyncio.Event]] = []

    async def decide(self, payments: Sequence[Payment]) -> list[str]:
        batch, may_end = list(payments), asyncio.Event()
        self.begun.append(batch)
        self.under_way.append((batch, may_end))
        await may_end.wait()
        self.under_way.remove((batch, may_end))
        if ("poison", 0) in batch:
            raise CannotDecide
        return [f"{account} {number}" for account, number in batch]

    def end(self, account: str) -> None:
        """Ends the batch that is under way with this account."""
        for batch, may_end in self.under_way:
            if account in {each for each, _ in batch}:
                may_end.set()


@asynccontextmanager
async def two_at_once(
    decider: PairDecider, *, smallest_share: int = 1, patience_seconds: float = 60
) -> AsyncIterator[Callable[..., list[asyncio.Task[str]]]]:
    """Yields a function that asks for payments, and returns when the batcher has seen them."""
    batcher: Batcher[Payment, str] = Batcher(
        decider.decide,
        window_seconds=0,
        at_once=2,
        smallest_share=smallest_share,
        patience_seconds=patience_seconds,
        turn_of=lambda payment: payment[0],
    )

    def ask(*payments: Payment) -> list[asyncio.Task[str]]:
        return [asyncio.create_task(batcher.ask(each)) for each in payments]

    batcher.start()
    yield ask
    stopping = asyncio.create_task(batcher.stop())
    while not stopping.done():
        for _, may_end in decider.under_way:
            may_end.set()
        await asyncio.sleep(0)
    await stopping


async def test_a_second_batch_begins_while_the_first_is_under_way_and_no_third() -> None:
    decider = PairDecider()
    async with two_at_once(decider) as ask:
        (first,) = ask(("a", 1))
        await until(lambda: len(decider.begun) == 1)
        (second,) = ask(("b", 1))
        await until(lambda: len(decider.begun) == 2)
        (third,) = ask(("c", 1))
        await _settled()
        assert decider.begun == [[("a", 1)], [("b", 1)]]
        decider.end("b")
        assert await second == "b 1"
        await until(lambda: len(decider.begun) == 3)
        assert not first.done()
        decider.end("a")
        decider.end("c")
        assert [await first, await third] == ["a 1", "c 1"]


async def test_requests_of_an_account_that_is_under_way_wait_in_order_and_others_do_not() -> None:
    decider = PairDecider()
    async with two_at_once(decider) as ask:
        ask(("a", 1))
        await until(lambda: len(decider.begun) == 1)
        ask(("a", 2), ("b", 1), ("a", 3), ("b", 2))
        await until(lambda: len(decider.begun) == 2)
        assert decider.begun[1] == [("b", 1), ("b", 2)]
        ask(("a", 4), ("b", 3))
        await _settled()
        assert len(decider.begun) == 2
        decider.end("a")
        await until(lambda: len(decider.begun) == 3)
        assert decider.begun[2] == [("a", 2), ("a", 3), ("a", 4)]
        decider.end("b")
        await until(lambda: len(decider.begun) == 4)
        assert decider.begun[3] == [("b", 3)]


async def test_a_batch_that_fails_does_not_disturb_the_other_and_keeps_its_turns() -> None:
    decider = PairDecider()
    async with two_at_once(decider) as ask:
        (other,) = ask(("b", 1))
        await until(lambda: len(decider.begun) == 1)
        poisoned, healthy = ask(("poison", 0), ("a", 1))
        await until(lambda: len(decider.begun) == 2)
        (later,) = ask(("a", 2))
        decider.end("poison")
        await until(lambda: decider.begun[2:] == [[("poison", 0)]])  # alone
        decider.end("poison")
        with pytest.raises(CannotDecide):
            await poisoned
        await until(lambda: decider.begun[3:] == [[("a", 1)]])
        await _settled()
        assert len(decider.begun) == 4  # ("a", 2) waits for ("a", 1)
        decider.end("a")
        assert await healthy == "a 1"
        await until(lambda: decider.begun[4:] == [[("a", 2)]])
        decider.end("a")
        decider.end("b")
        assert [await later, await other] == ["a 2", "b 1"]


async def test_a_few_requests_wait_for_the_batch_under_way_and_enough_of_them_do_not() -> None:
    decider = PairDecider()
    async with two_at_once(decider, smallest_share=2) as ask:
        ask(("a", 1))
        await until(lambda: len(decider.begun) == 1)
        ask(("b", 1))
        await _settled()
        assert len(decider.begun) == 1
        ask(("c", 1))
        await until(lambda: decider.begun[1:] == [[("b", 1), ("c", 1)]])
        ask(("d", 1))
        decider.end("a")
        decider.end("b")
        await until(lambda: decider.begun[2:] == [[("d", 1)]])


async def test_a_few_requests_do_not_wait_for_a_slow_batch() -> None:
    decider = PairDecider()
    async with two_at_once(decider, smallest_share=2, patience_seconds=0.01) as ask:
        ask(("a", 1))
        await until(lambda: len(decider.begun) == 1)
        ask(("b", 1))
        await until(lambda: decider.begun[1:] == [[("b", 1)]])


async def test_a_stop_with_two_batches_under_way_answers_all() -> None:
    decider = PairDecider()
    async with two_at_once(decider) as ask:
        requested = ask(("a", 1))
        await until(lambda: len(decider.begun) == 1)
        requested += ask(("b", 1))
        await until(lambda: len(decider.begun) == 2)
        requested += ask(("a", 2), ("b", 2), ("c", 1))
        await asyncio.sleep(0)
    assert [each.result() for each in requested] == ["a 1", "b 1", "a 2", "b 2", "c 1"]


@pytest.mark.parametrize(("smallest_share", "batches"), [(5, [5] * 6), (6, [10] * 3)])
async def test_callers_are_divided_if_each_batch_has_enough_of_them(
    smallest_share: int, batches: list[int]
) -> None:
    decider = PairDecider()
    batcher: Batcher[Payment, str] = Batcher(
        decider.decide,
        window_seconds=30,
        longest_window_seconds=30,
        at_once=2,
        smallest_share=smallest_share,
        turn_of=lambda payment: payment[0],
    )
    batcher.start()

    async def call(number: int) -> None:
        for _ in range(3):
            await batcher.ask((f"account {number}", 1))

    callers = [asyncio.create_task(call(number)) for number in range(10)]
    while not all(each.done() for each in callers):
        for _, may_end in decider.under_way[:1]:
            may_end.set()
        await asyncio.sleep(0)
    await batcher.stop()
    assert [len(batch) for batch in decider.begun] == batches


@given(
    payments=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 99)), max_size=40),
    pauses=st.sets(st.integers(0, 40), max_size=8),
    ends=st.lists(st.integers(0, 1), max_size=20),
)
async def test_each_account_is_decided_in_order_and_never_in_two_batches(
    payments: list[Payment], pauses: set[int], ends: list[int]
) -> None:
    decider, numbered = PairDecider(), [(account, at) for at, (account, _) in enumerate(payments)]
    async with two_at_once(decider) as ask:
        for at, payment in enumerate(numbered):
            ask(payment)
            if at in pauses:
                await _settled()
                accounts = [{each for each, _ in batch} for batch, _ in decider.under_way]
                assert len(accounts) <= 2
                assert not set.intersection(*accounts) or len(accounts) < 2
                if ends and decider.under_way:
                    decider.under_way[ends.pop() % len(decider.under_way)][1].set()
    decided = [payment for batch in decider.begun for payment in batch]
    for account in "abcd":
        own = [payment for payment in numbered if payment[0] == account]
        assert [payment for payment in decided if payment[0] == account] == own


async def _settled() -> None:
    """Returns when the batcher has had the time to begin what it can."""
    for _ in range(10):
        await asyncio.sleep(0)
    await asyncio.sleep(0.002)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_requests_of_one_account_are_one_batch() -> None:
    """They cannot be in two at once, and one batch takes fewer round trips than two."""
    decider = PairDecider()
    async with two_at_once(decider) as ask:
        ask(*[("a", number) for number in range(10)])
        await until(lambda: len(decider.begun) == 1)
        ask(("b", 0), ("c", 0), ("b", 1), ("d", 0), ("b", 2), ("b", 3))
        await until(lambda: len(decider.begun) == 2)
        decider.end("a")
        decider.end("b")
    assert decider.begun[0] == [("a", number) for number in range(10)]
    assert {account for account, _ in decider.begun[1]} <= {"b", "c", "d"}
    assert [each for each in decider.begun[1] if each[0] == "b"] == [("b", at) for at in range(4)]
