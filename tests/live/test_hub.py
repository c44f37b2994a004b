"""The hub alone: one execution for all, the present state first, then each newer one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import pytest

from domain.errors import Forbidden, TryAgain
from domain.identity.access import OfClient
from domain.ids import new_id
from domain.live import hints, streams
from domain.live import hub as hub_module
from domain.live.hints import EVERYTHING, Topic
from domain.live.hub import LARGEST_SHARE_OF_POLLING, Hub
from domain.live.ports import ChangePosition
from domain.live.streams import OFFERS_AT_ONCE
from domain.live.subscriptions import ChangeWatch, StateWatch, Watch
from tests.live.readers import FakeRenderer, FakeStore, FakeSubscriber
from tests.live.server import eventually

TOPIC: Topic = hints.ACCOUNT + bytes(16)
OTHER: Topic = hints.BELOW + bytes(16)
NEVER = 3600.0

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="nobody's")


@dataclass
class Figure:
    """A number that is watched, and how often it has been read."""

    value: int = 1
    version: Callable[[int], int] = lambda value: value
    topics: frozenset[Topic] = frozenset({TOPIC})
    last: int | None = None
    reads: int = 0
    before_answer: Callable[[], Awaitable[None]] | None = None
    read_as: list[str] = field(default_factory=list)

    async def read(self) -> int:
        self.reads += 1
        self.read_as.append(REQUEST.get())
        value = self.value
        await asyncio.sleep(0)
        if self.before_answer is not None:
            await self.before_answer()
        return value

    async def open(self) -> Watch:
        return StateWatch(
            read=self.read,
            topics_of=lambda _: self.topics,
            version_of=self.version,
            is_last=lambda value: value == self.last,
        )


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
async def hub(store: FakeStore) -> AsyncIterator[Hub]:
    made = Hub(store, poll_seconds=NEVER)
    made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("hint", [TOPIC, EVERYTHING])
async def test_a_subscriber_receives_the_present_state_and_then_every_change(
    hub: Hub, hint: Topic
) -> None:
    figure, listener = Figure(), FakeSubscriber()
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(1)
    figure.value = 2
    hub.hinted({hint})
    await listener.receives(1, 2)


async def test_a_state_that_cannot_be_rendered_is_delivered_later(hub: Hub) -> None:
    figure, words, listener = Figure(), FakeRenderer(unavailable=1), FakeSubscriber()
    await hub.join("key", words, listener, figure.open)
    await listener.receives(1)
    figure.value, words.unavailable = 2, 1
    hub.hinted({TOPIC})
    await listener.receives(1, 2)


async def test_a_change_while_the_first_state_is_read_is_not_lost(hub: Hub) -> None:
    figure, listener = Figure(), FakeSubscriber()

    async def change_once() -> None:
        figure.before_answer = None
        figure.value = 2
        hub.hinted({TOPIC})  # this topic is not watched yet

    figure.before_answer = change_once
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(2)


async def test_a_change_of_what_changes_it_is_followed(hub: Hub) -> None:
    figure, listener = Figure(), FakeSubscriber()
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(1)
    figure.value, figure.topics = 2, frozenset({OTHER})
    hub.hinted({TOPIC})
    await listener.receives(1, 2)
    figure.value = 3
    hub.hinted({TOPIC})
    hub.hinted({OTHER})
    await listener.receives(1, 2, 3)


async def test_all_subscribers_of_the_same_share_reads_and_executions(hub: Hub) -> None:
    figure, words, crowd = Figure(), FakeRenderer(), [FakeSubscriber() for _ in range(500)]
    for listener in crowd:
        await hub.join("key", words, listener, figure.open)
    for listener in crowd:
        await listener.receives(1)
    assert hub.count == 1
    assert words.executions <= 2
    before = words.executions
    figure.value = 2
    hub.hinted({TOPIC})
    for listener in crowd:
        await listener.receives(1, 2)
    assert words.executions == before + 1


async def test_subscribers_of_other_things_receive_nothing(hub: Hub) -> None:
    one, other = FakeSubscriber(), FakeSubscriber()
    figure = Figure(7)
    await hub.join("key", FakeRenderer(), one, Figure(1).open)
    await hub.join(("key", "other rights"), FakeRenderer(), other, figure.open)
    await one.receives(1)
    await other.receives(7)
    assert hub.count == 2


async def test_a_later_subscriber_receives_a_state_that_was_read_later(hub: Hub) -> None:
    figure, first, second = Figure(), FakeSubscriber(), FakeSubscriber()
    await hub.join("key", FakeRenderer(), first, figure.open)
    await first.receives(1)
    figure.value = 2  # and no hint of it has come yet
    await hub.join("key", FakeRenderer(), second, figure.open)
    await second.receives(2)
    await first.receives(1, 2)


async def test_a_subscriber_that_joins_during_a_read_receives_a_later_state(hub: Hub) -> None:
    figure, first, second = Figure(), FakeSubscriber(), FakeSubscriber()
    await hub.join("key", FakeRenderer(), first, figure.open)
    await first.receives(1)

    async def join_and_change() -> None:
        figure.before_answer = None
        await hub.join("key", FakeRenderer(), second, figure.open)

    figure.before_answer = join_and_change
    hub.hinted({TOPIC})
    await second.receives(1)
    await first.receives(1)


async def test_no_subscriber_receives_the_same_twice(hub: Hub) -> None:
    figure, first, second = Figure(), FakeSubscriber(), FakeSubscriber()
    await hub.join("key", FakeRenderer(), first, figure.open)
    await first.receives(1)
    hub.hinted({TOPIC})
    await eventually(lambda: figure.reads == 3)
    await hub.join("key", FakeRenderer(), second, figure.open)
    await second.receives(1)
    await first.receives(1)


async def test_changes_during_a_delivery_are_delivered_together(hub: Hub) -> None:
    figure, listener = Figure(), FakeSubscriber()
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(1)
    for value in range(2, 100):
        figure.value = value
        hub.hinted({TOPIC})
    await eventually(lambda: listener.delivered[-1:] == [99])
    assert len(listener.delivered) <= 3


async def test_a_version_never_falls_for_a_reader(hub: Hub) -> None:
    figure, listener = Figure(5), FakeSubscriber()
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(5)
    stale = figure.reads

    async def recover() -> None:
        if figure.reads == stale + 1:
            figure.value = 6

    figure.before_answer = recover
    figure.value = 4
    hub.hinted({TOPIC})
    await listener.receives(5, 6)


async def test_after_the_last_state_it_is_complete(hub: Hub) -> None:
    figure, listener = Figure(last=3), FakeSubscriber()
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(1)
    figure.value = 3
    hub.hinted({TOPIC})
    await listener.receives(1, 3)
    await eventually(lambda: listener.ended == [None])
    assert hub.count == 0


async def test_a_stream_without_subscribers_is_forgotten(hub: Hub) -> None:
    figure, one, other = Figure(), FakeSubscriber(), FakeSubscriber()
    leave_one = await hub.join("key", FakeRenderer(), one, figure.open)
    leave_other = await hub.join("key", FakeRenderer(), other, figure.open)
    await one.receives(1)
    await other.receives(1)
    leave_one()
    leave_one()
    assert hub.count == 1
    leave_other()
    assert hub.count == 0
    reads = figure.reads
    hub.hinted({TOPIC})
    await asyncio.sleep(0.02)
    assert figure.reads == reads


async def test_a_lost_hint_costs_a_poll_and_no_event(store: FakeStore) -> None:
    hub = Hub(store, poll_seconds=0.05)
    hub.start()
    figure, listener = Figure(), FakeSubscriber()
    store.prints[TOPIC] = "1"
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(1)
    await eventually(lambda: figure.reads == 3)  # the first look at it
    figure.value, store.prints[TOPIC] = 2, "2"
    await listener.receives(1, 2)
    reads = figure.reads
    await asyncio.sleep(0.2)
    assert figure.reads == reads, "what does not change is not read"
    await hub.stop()


async def test_a_change_does_not_wait_for_the_pause_after_a_look(
    monkeypatch: pytest.MonkeyPatch, store: FakeStore, hub: Hub
) -> None:
    figure, listener = Figure(), FakeSubscriber()
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await listener.receives(1)
    await eventually(lambda: not hub._streams["key"]._running)
    monkeypatch.setattr(streams, "_rest", lambda *_: NEVER)
    reads, store.prints[TOPIC] = figure.reads, "2"
    await hub._compare()
    await eventually(lambda: figure.reads > reads)
    figure.value = 2
    hub.hinted({TOPIC})
    await listener.receives(1, 2)


class Unequal(FakeStore):
    """Does not answer in time whether figures have changed. All other reads work."""

    async def fingerprints(self, topics: Collection[Topic]) -> dict[Topic, str]:
        self.failures += 1
        await asyncio.sleep(0.1)
        raise TryAgain


async def test_a_look_that_fails_does_not_prevent_others_and_is_not_repeated_sooner() -> None:
    store = Unequal()
    hub = Hub(store, poll_seconds=0.01)
    began = time.monotonic()
    hub.start()
    await hub.join("key", FakeRenderer(), FakeSubscriber(), Figure().open)
    scope = OfClient(new_id())
    watch = ChangeWatch(kind=hints.MESSAGE, scope=scope, read_first=nothing)
    await hub.join("changes", FakeRenderer(), FakeSubscriber(), partial(given, watch))
    rest_seconds = 0.1 / LARGEST_SHARE_OF_POLLING
    await eventually(lambda: hub._look_again_at > began + rest_seconds)
    assert store.failures == 1
    assert store.reads_by_position >= 1
    await hub.stop()


class Slow(FakeStore):
    """Answers late, as if the process was suspended."""

    looks = 0

    async def fingerprints(self, topics: Collection[Topic]) -> dict[Topic, str]:
        await asyncio.sleep(0.1)
        self.looks += 1
        return {}


async def test_a_look_that_was_slow_is_not_followed_by_minutes_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "LONGEST_REST_SECONDS", 0.2)
    store = Slow()
    hub = Hub(store, poll_seconds=0.01)
    hub.start()
    await hub.join("key", FakeRenderer(), FakeSubscriber(), Figure().open)
    await eventually(lambda: store.looks > 0 and hub._look_again_at > time.monotonic())
    assert hub._look_again_at - time.monotonic() <= 0.2
    await hub.stop()


async def nothing(_after: ChangePosition | float) -> Sequence[UUID]:
    return []


async def given(watch: Watch) -> Watch:
    return watch


async def test_a_hub_waits_while_the_database_is_unavailable(hub: Hub) -> None:
    figure, listener = Figure(), FakeSubscriber()

    async def unavailable() -> None:
        raise TryAgain

    figure.before_answer = unavailable
    await hub.join("key", FakeRenderer(), listener, figure.open)
    await eventually(lambda: figure.reads >= 2)
    figure.before_answer = None
    await listener.receives(1)
    assert listener.ended == []


@pytest.mark.parametrize("failure", [Forbidden("Not any more."), RuntimeError("a defect")])
async def test_a_refusal_or_a_defect_ends_it_for_all(hub: Hub, failure: Exception) -> None:
    figure, crowd = Figure(), [FakeSubscriber(), FakeSubscriber()]
    for listener in crowd:
        await hub.join("key", FakeRenderer(), listener, figure.open)
        await listener.receives(1)

    async def fail() -> None:
        raise failure

    figure.before_answer = fail
    hub.hinted({TOPIC})
    await eventually(lambda: all(listener.ended == [[str(failure)]] for listener in crowd))
    assert hub.count == 0


async def test_a_refusal_to_join_is_raised_by_join(hub: Hub) -> None:
    async def refuse() -> Watch:
        raise Forbidden

    with pytest.raises(Forbidden):
        await hub.join("key", FakeRenderer(), FakeSubscriber(), refuse)
    assert hub.count == 0


async def test_other_tasks_run_while_many_subscribers_are_served(hub: Hub) -> None:
    figure, turns = Figure(), 0
    crowd = [FakeSubscriber() for _ in range(5 * OFFERS_AT_ONCE)]
    for listener in crowd:
        await hub.join("key", FakeRenderer(), listener, figure.open)
    await crowd[-1].receives(1)
    figure.value = 2
    hub.hinted({TOPIC})
    while not crowd[0].delivered[1:]:  # noqa: ASYNC110 - turns are what is counted
        await asyncio.sleep(0)
    while not crowd[-1].delivered[1:]:
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 4


async def test_a_stream_inherits_nothing_from_its_first_subscriber(hub: Hub) -> None:
    figure, listener = Figure(), FakeSubscriber()
    token = REQUEST.set("one request's")
    await hub.join("key", FakeRenderer(), listener, figure.open)
    REQUEST.reset(token)
    await listener.receives(1)
    assert set(figure.read_as) == {"nobody's"}
