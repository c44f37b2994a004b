"""A feed in the hub: all messages once and in order, from each reader's own position."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from domain.errors import Forbidden, TryAgain
from domain.ids import new_id
from domain.inbox.messages import InboundMessage
from domain.live import hints
from domain.live.feed import PAGE
from domain.live.hub import Hub
from domain.live.subscriptions import (
    FEED_BYTES,
    FEED_ITEMS,
    FeedPosition,
    FeedWatch,
    Item,
    PendingItems,
    Watch,
)
from tests.live.readers import NOON, FakeRenderer, FakeStore, FakeSubscriber
from tests.live.server import eventually

NEVER = 3600.0
CLIENT = UUID(int=7)


@dataclass
class Table:
    """What a client has received: numbers 1 to `last`, without those of `missing`."""

    hub: Hub
    last: int = 0
    missing: frozenset[int] = frozenset()
    words: FakeRenderer = field(default_factory=FakeRenderer)
    reads: list[int] = field(default_factory=list)
    unavailable: Exception | None = None
    before_answer: Callable[[], None] | None = None

    async def read(self, after: int, most: int) -> Sequence[InboundMessage]:
        self.reads.append(after)
        if self.unavailable is not None:
            raise self.unavailable
        numbers = [n for n in range(after + 1, self.last + 1) if n not in self.missing][:most]
        await asyncio.sleep(0)
        if self.before_answer is not None:
            self.before_answer()
        return [message(number) for number in numbers]

    def receive(self, messages: int = 1, *, hint: bool = True) -> None:
        """Adds this many messages."""
        self.last += messages
        if hint:
            self.hub.hinted({hints.FEED + CLIENT.bytes})

    async def listen(self, after: int = 0, capacity: int | None = None) -> FakeSubscriber:
        """A subscriber that starts after that number."""
        listener = FakeSubscriber(capacity=capacity)
        await self.join(listener, after)
        return listener

    async def join(
        self, listener: FakeSubscriber, after: int, client_id: UUID = CLIENT
    ) -> Callable[[], None]:
        async def open_() -> Watch:
            return FeedWatch(client_id=client_id, after=after, read=self.read)

        return await self.hub.join(client_id, self.words, listener, open_)


def message(number: int) -> InboundMessage:
    return InboundMessage(
        id=new_id(),
        client_id=CLIENT,
        number="+12025550143",
        text="Hello",
        modem=None,
        port=None,
        feed=number,
        created_at=NOON,
    )


def numbers(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    hub = Hub(FakeStore(), poll_seconds=NEVER)
    hub.start()
    yield Table(hub)
    await hub.stop()


async def test_a_subscriber_receives_what_it_missed_and_then_what_comes(table: Table) -> None:
    table.receive(3 * PAGE + 7)
    listener = await table.listen(after=5)
    await listener.receives(*numbers(6, 3 * PAGE + 7))
    table.receive(2)
    await listener.receives(*numbers(6, 3 * PAGE + 9))


async def test_messages_that_arrive_during_a_read_follow_its_page(table: Table) -> None:
    table.receive(2)

    def receive_once() -> None:
        table.before_answer = None
        table.receive()

    table.before_answer = receive_once
    listener = await table.listen()
    await listener.receives(1, 2, 3)


async def test_subscribers_at_the_same_position_share_reads_and_executions(table: Table) -> None:
    crowd = [await table.listen() for _ in range(300)]
    await eventually(lambda: bool(table.reads))
    table.words.executions = 0
    table.receive()
    for listener in crowd:
        await listener.receives(1)
    assert table.words.executions == 1
    assert table.hub.count == 1


async def test_subscribers_with_different_positions_each_receive_their_own_rest(
    table: Table,
) -> None:
    table.receive(2 * PAGE)
    positions = (0, 1, PAGE, 2 * PAGE - 1, 2 * PAGE)
    crowd = [await table.listen(position) for position in positions]
    table.receive(3)
    for position, listener in zip(positions, crowd, strict=True):
        await listener.receives(*numbers(position + 1, 2 * PAGE + 3))
    assert table.hub.count == 1


async def test_a_reader_without_capacity_is_offered_nothing_and_misses_nothing(
    table: Table,
) -> None:
    slow, quick = await table.listen(capacity=2), await table.listen()
    table.receive(PAGE + 5)
    await quick.receives(*numbers(1, PAGE + 5))
    assert slow.delivered == [1, 2]
    reads = len(table.reads)
    table.receive()
    await quick.receives(*numbers(1, PAGE + 6))
    assert slow.delivered == [1, 2]
    assert len(table.reads) <= reads + 2, "nothing is read for a subscriber without capacity"
    slow.add_capacity(3)
    await slow.receives(*numbers(1, 5))
    slow.add_capacity(PAGE + 6)
    await slow.receives(*numbers(1, PAGE + 6))


async def test_a_subscriber_far_behind_delays_no_other(table: Table) -> None:
    table.receive(40 * PAGE)
    front, behind = await table.listen(after=40 * PAGE), await table.listen()
    await eventually(lambda: bool(behind.delivered))
    for more in range(1, 4):
        table.receive()
        await front.receives(*numbers(40 * PAGE + 1, 40 * PAGE + more))
        assert len(behind.delivered) < 40 * PAGE
    await behind.receives(*numbers(1, 40 * PAGE + 3))


async def test_new_messages_are_delivered_between_the_pages_of_many_that_are_behind(
    table: Table,
) -> None:
    table.receive(40 * PAGE)
    front = await table.listen(after=40 * PAGE)
    positions = range(0, 20 * PAGE, PAGE)
    crowd = [await table.listen(after=position) for position in positions]
    await eventually(lambda: bool(crowd[0].delivered))
    for more in range(1, 4):
        reads = len(table.reads)
        table.receive()
        await front.receives(*numbers(40 * PAGE + 1, 40 * PAGE + more))
        assert len(table.reads) <= reads + 4, (
            "one page for the readers at the end, and one for each of the others"
        )
    for position, listener in zip(positions, crowd, strict=True):
        await listener.receives(*numbers(position + 1, 40 * PAGE + 3))


async def test_a_reader_that_joins_again_continues_at_its_position(table: Table) -> None:
    table.receive(2)
    listener = FakeSubscriber()
    leave = await table.join(listener, 0)
    await listener.receives(1, 2)
    leave()
    assert table.hub.count == 0
    table.receive(2)
    await table.join(listener, 4)  # with a position, it continues there
    await listener.receives(1, 2, 3, 4)


async def test_a_position_in_another_feed_is_ignored(table: Table) -> None:
    table.receive(2)
    listener = FakeSubscriber(position=FeedPosition(UUID(int=8), 1_000))
    await table.join(listener, 1)
    await listener.receives(2)


async def test_numbers_that_are_missing_in_a_feed_are_skipped(table: Table) -> None:
    table.missing = frozenset({1, 3})
    table.receive(4)
    first, second = await table.listen(), await table.listen(after=3)
    await first.receives(2, 4)
    await second.receives(4)


async def test_nothing_is_lost_or_doubled_while_the_store_is_unavailable(table: Table) -> None:
    listener = await table.listen()
    table.unavailable = TryAgain()
    table.receive(2)
    await eventually(lambda: len(table.reads) > 2)
    table.unavailable = None
    await listener.receives(1, 2)


async def test_a_subscriber_that_is_refused_later_receives_the_error(table: Table) -> None:
    listener = await table.listen()
    table.unavailable = Forbidden()
    table.receive()
    await eventually(lambda: bool(listener.ended))
    assert table.hub.count == 0


async def test_a_reader_may_leave_at_any_time(table: Table) -> None:
    table.receive(10 * PAGE)
    listener = FakeSubscriber()
    leave = await table.join(listener, 0)
    other = await table.listen()
    await eventually(lambda: bool(listener.delivered))
    leave()
    delivered = len(listener.delivered)
    await other.receives(*numbers(1, 10 * PAGE))
    assert len(listener.delivered) == delivered
    assert listener.on_capacity is None


async def test_a_change_with_a_lost_hint_is_delivered() -> None:
    store = FakeStore()
    hub = Hub(store, poll_seconds=0.01)
    hub.start()
    table, topic = Table(hub), hints.FEED + CLIENT.bytes
    listener = await table.listen()
    table.receive(hint=False)
    store.prints[topic] = "1"
    await listener.receives(1)
    await hub.stop()


@pytest.mark.parametrize("size", [10, FEED_BYTES // 4, 3 * FEED_BYTES])
def test_a_backlog_has_capacity_for_so_much_of_a_feed(size: int) -> None:
    backlog, count = PendingItems(), 0
    while backlog.has_capacity:
        assert backlog.put(Item(bytes(size), key=count))
        count += 1
    assert count == min(FEED_ITEMS, -(-FEED_BYTES // size))
    for _ in range(count):
        assert backlog.take()
    assert backlog.has_capacity
    assert backlog.put(Item(bytes(FEED_BYTES), key="same"))
    assert backlog.put(Item(b"", key="same"))
    assert backlog.has_capacity, "a state that was replaced does not count"
