"""Changes of messages: the newest state of each one, in order, is delivered to its owner."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from domain.errors import Forbidden, TryAgain
from domain.identity.access import Everything, OfClient, Scope
from domain.ids import new_id
from domain.live import hints
from domain.live import hub as hub_module
from domain.live.hints import EVERYTHING
from domain.live.hub import (
    LONGEST_COMMIT_SECONDS,
    MOST_READ,
    RECENT_SECONDS,
    ChangeTracker,
    Hub,
    RecentPositions,
)
from domain.live.ports import Change, ChangePosition
from domain.live.subscriptions import ChangeWatch, Watch
from domain.sending.messages import Message, MessageStatus
from tests.live.readers import NOON, FakeRenderer, FakeStore, FakeSubscriber
from tests.live.server import eventually

NEVER = 3600.0
MINE, THEIRS = OfClient(new_id()), OfClient(new_id())


def message(whose: OfClient = MINE, *, send_id: UUID | None = None) -> Message:
    """A message that existed before."""
    return Message(
        id=new_id(),
        send_id=send_id or new_id(),
        client_id=whose.client_id,
        number="+12025550100",
        text="Good morning",
        status=MessageStatus.QUEUED,
        failure=None,
        is_reply=False,
        created_at=NOON,
        updated_at=NOON,
    )


@dataclass
class Setup:
    """Messages in a store, and a hub that receives hints about them."""

    hub: Hub
    store: FakeStore
    clock: int = 0
    begins: Sequence[Message] = ()
    failure: Exception | None = None
    after: ChangePosition | float = 0.0
    words: FakeRenderer = field(default_factory=FakeRenderer)

    @property
    def waited_seconds(self) -> float:
        """How long before its first read the last subscriber began to wait."""
        assert isinstance(self.after, float)
        return self.after - RECENT_SECONDS - LONGEST_COMMIT_SECONDS

    def change(self, one: Message, status: MessageStatus, *, hint: bool = True) -> Message:
        """The message has another status now."""
        self.clock += 1
        changed = one._replace(status=status, updated_at=NOON + timedelta(seconds=self.clock))
        self.store.messages[one.id] = changed
        if hint:
            self.hub.hinted({hints.MESSAGE + one.id.bytes})
        return changed

    async def listen(self, scope: Scope = MINE, send_id: UUID | None = None) -> FakeSubscriber:
        """A new subscriber."""
        listener = FakeSubscriber()

        async def begin(after: ChangePosition | float) -> Sequence[UUID]:
            self.after = after
            if self.failure is not None:
                raise self.failure
            self.store.messages |= {each.id: each for each in self.begins}
            return [each.id for each in self.begins]

        async def open_() -> Watch:
            return ChangeWatch(
                kind=hints.MESSAGE,
                scope=scope,
                read_first=begin,
                covers=lambda one: send_id in (None, one.send_id),
            )

        await self.hub.join((scope, send_id), self.words, listener, open_)
        return listener


def delivered(*messages: Message) -> list[list[str]]:
    """As a subscriber receives them."""
    return [[str(each.id), each.status.value] for each in messages]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    store = FakeStore()
    hub = Hub(store, poll_seconds=NEVER)
    hub.start()
    yield Setup(hub, store)
    await hub.stop()


async def test_changes_are_delivered_in_order(setup: Setup) -> None:
    first, second, listener = message(), message(), await setup.listen()
    taken = setup.change(first, MessageStatus.SUBMITTING)
    await listener.receives(*delivered(taken))
    sent = setup.change(first, MessageStatus.SENT)
    other = setup.change(second, MessageStatus.SENT)
    await listener.receives(*delivered(taken, sent, other))


async def test_changes_are_delivered_to_their_owners(setup: Setup) -> None:
    send_id = new_id()
    mine, theirs, of_the_send = message(), message(THEIRS), message(send_id=send_id)
    me, them, admin = [await setup.listen(each) for each in (MINE, THEIRS, Everything())]
    watches_send = await setup.listen(MINE, send_id)
    changed = [setup.change(each, MessageStatus.SENT) for each in (mine, theirs, of_the_send)]
    await me.receives(*delivered(changed[0], changed[2]))
    await them.receives(*delivered(changed[1]))
    await admin.receives(*delivered(*changed))
    await watches_send.receives(*delivered(changed[2]))


async def test_a_change_is_read_and_rendered_once_for_all_subscribers(setup: Setup) -> None:
    crowd = [await setup.listen() for _ in range(200)]
    changed = setup.change(message(), MessageStatus.SENT)
    for listener in crowd:
        await listener.receives(*delivered(changed))
    assert setup.words.executions == 1
    assert setup.store.reads_by_id == 1


async def test_a_repeated_hint_delivers_nothing_again(setup: Setup) -> None:
    listener = await setup.listen()
    changed = setup.change(message(), MessageStatus.SENT)
    await listener.receives(*delivered(changed))
    setup.hub.hinted({hints.MESSAGE + changed.id.bytes})
    await eventually(lambda: setup.store.reads_by_id == 2)
    await listener.receives(*delivered(changed))


async def test_first_items_are_delivered_first_and_once(setup: Setup) -> None:
    before = message()._replace(status=MessageStatus.SENT, updated_at=NOON)
    setup.begins = [before]
    listener = await setup.listen()
    await listener.receives(*delivered(before))
    setup.store.messages[before.id] = before
    setup.hub.hinted({hints.MESSAGE + before.id.bytes})  # late: it is in the beginning already
    await eventually(lambda: setup.store.reads_by_id == 1)
    after = setup.change(before, MessageStatus.DELIVERED)
    await listener.receives(*delivered(before, after))


async def test_a_change_before_the_first_state_is_read_is_delivered(setup: Setup) -> None:
    before = message()
    setup.begins = [before]
    first = await setup.listen()
    await first.receives(*delivered(before))
    setup.failure = TryAgain()
    second = await setup.listen()  # joined, and not begun yet
    changed = setup.change(message(), MessageStatus.SENT)
    await first.receives(*delivered(before, changed))
    assert second.delivered == []
    setup.failure = None
    await second.receives(*delivered(before, changed))


async def test_the_first_read_covers_the_time_that_it_waited_for_the_database(setup: Setup) -> None:
    setup.failure = TryAgain()
    listener = await setup.listen()
    await eventually(lambda: bool(setup.after) and setup.waited_seconds > 0.2)
    setup.begins, setup.failure = [message()], None
    await listener.receives(*delivered(*setup.begins))
    assert setup.waited_seconds > 0.2


async def test_a_subscriber_that_starts_again_has_not_waited_since_it_joined(setup: Setup) -> None:
    listener = await setup.listen()
    first = setup.change(message(), MessageStatus.SENT)
    await listener.receives(*delivered(first))
    ready_at = time.monotonic() + 0.2
    await eventually(lambda: time.monotonic() > ready_at)
    setup.words.unavailable = 1
    second = setup.change(message(), MessageStatus.SENT)
    await listener.receives(*delivered(first, second))
    assert 0 < setup.waited_seconds < time.monotonic() - ready_at


async def test_the_first_changes_are_those_after_the_last_position_that_is_old_enough() -> None:
    store = FakeStore()
    positions = RecentPositions(store)
    assert positions.before(time.monotonic()) is None
    moments = [time.monotonic()]
    for store.xid in (7, 8):
        await positions.note()
        moments.append(time.monotonic())
    assert [positions.before(each) for each in moments] == [
        None,
        ChangePosition(7),
        ChangePosition(8),
    ]
    positions.forget()
    assert positions.before(moments[-1]) is None


async def test_a_subscriber_first_receives_what_was_committed_just_before_it_joined(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RECENT_SECONDS", 0.0)
    await eventually(lambda: setup.store.positions > 0)
    await setup.listen()
    await eventually(lambda: setup.after == ChangePosition(setup.store.xid))


async def test_an_event_that_was_committed_a_second_before_it_was_shown_is_recent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, read_after = 100.0, []
    monkeypatch.setattr(hub_module, "time", SimpleNamespace(monotonic=lambda: now))
    store = FakeStore()
    positions = RecentPositions(store)
    for store.xid in (7, 8):
        await positions.note()
        now += 1

    async def read_first(after: ChangePosition | float) -> Sequence[UUID]:
        read_after.append(after)
        return []

    watch = ChangeWatch(kind=hints.EVENT, scope=Everything(), read_first=read_first)
    tracker = ChangeTracker(store, hints.EVENT, positions, spawn=lambda _: None)
    await tracker.read_first(watch, since=106.0)  # five seconds after the second position
    assert read_after == [ChangePosition(7)]


async def test_after_a_failover_the_positions_of_the_other_server_are_forgotten(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "RECENT_SECONDS", 0.0)
    await eventually(lambda: setup.store.positions > 0)
    listener, one = await setup.listen(), message()
    changed = setup.change(one, MessageStatus.SENT)
    await listener.receives(*delivered(changed))
    setup.hub.forget_positions()
    setup.hub.hinted({hints.MESSAGE + one.id.bytes})  # the same version, on another server
    await listener.receives(*delivered(changed, changed))
    setup.after = ChangePosition(0)
    await setup.listen(THEIRS)
    await eventually(lambda: isinstance(setup.after, float))


async def test_many_first_changes_are_all_delivered(setup: Setup) -> None:
    setup.begins = [message() for _ in range(2 * MOST_READ + 1)]
    listener = await setup.listen()
    await listener.receives(*delivered(*setup.begins))


async def test_a_refused_first_read_ends_the_subscription(setup: Setup) -> None:
    setup.failure = Forbidden("No.")
    listener = await setup.listen()
    await eventually(lambda: listener.ended == [["No."]])


async def test_many_changes_at_once_are_found_by_their_time(setup: Setup) -> None:
    listener = await setup.listen()
    cancelled = [setup.change(message(), MessageStatus.CANCELLED, hint=False) for _ in range(300)]
    setup.hub.hinted({hints.MESSAGES + new_id().bytes})
    await listener.receives(*delivered(*cancelled))


@pytest.mark.parametrize("is_known", [True, False])
async def test_after_lost_or_too_many_hints_changes_are_found_by_their_time(
    setup: Setup, is_known: bool
) -> None:
    listener = await setup.listen()
    changed = setup.change(message(), MessageStatus.SENT, hint=False)
    many = {hints.MESSAGE + new_id().bytes for _ in range(5_000)}
    setup.hub.hinted(many if is_known else {EVERYTHING})
    await listener.receives(*delivered(changed))


async def test_a_lost_hint_costs_a_look_and_no_event() -> None:
    store = FakeStore()
    hub = Hub(store, poll_seconds=0.05)
    hub.start()
    setup = Setup(hub, store)
    listener = await setup.listen()
    changed = setup.change(message(), MessageStatus.SENT, hint=False)
    await listener.receives(*delivered(changed))
    await hub.stop()


async def test_an_outage_loses_nothing(setup: Setup) -> None:
    listener = await setup.listen()
    setup.store.unavailable = TryAgain()
    changed = setup.change(message(), MessageStatus.SENT)
    await eventually(lambda: setup.store.failures > 0)
    setup.store.unavailable = None
    await listener.receives(*delivered(changed))


async def test_a_change_is_delivered_after_its_rendering_failed(setup: Setup) -> None:
    listener = await setup.listen()
    taken = setup.change(message(), MessageStatus.SUBMITTING)
    await listener.receives(*delivered(taken))
    setup.words.unavailable = 2
    sent = setup.change(taken, MessageStatus.SENT)
    await listener.receives(*delivered(taken, sent))


async def test_a_document_that_finds_the_store_unavailable_does_not_delay_others(
    setup: Setup,
) -> None:
    setup.words.unavailable = 1_000_000
    waiting = await setup.listen(Everything())  # delivered before those of one tenant
    setup.words = FakeRenderer()
    other = await setup.listen()
    changed = setup.change(message(), MessageStatus.SENT)
    await other.receives(*delivered(changed))
    assert waiting.delivered == []


async def test_a_first_state_that_cannot_be_rendered_is_delivered_later_in_full(
    setup: Setup,
) -> None:
    setup.begins = [message(), message()]
    setup.words.unavailable = 1
    listener = await setup.listen()
    await listener.receives(*delivered(*setup.begins))


async def test_nothing_is_read_without_a_subscriber(setup: Setup) -> None:
    setup.change(message(), MessageStatus.SENT)
    setup.hub.hinted({EVERYTHING})
    assert setup.store.reads_by_id == setup.store.reads_by_position == 0


async def test_a_hint_does_not_wait_until_many_changes_are_read(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MOST_READ", 2)
    many, other = [message() for _ in range(20)], message(THEIRS)
    mine, theirs = await setup.listen(), await setup.listen(THEIRS)
    changed = [setup.change(each, MessageStatus.CANCELLED, hint=False) for each in many]
    find_changes, seen_before = setup.store.find_changes, []

    async def find(*given: Any) -> Sequence[Change]:
        if len(mine.delivered) == 4 and not setup.store.messages.get(other.id):
            setup.change(other, MessageStatus.SENT)
        if theirs.delivered:
            seen_before.append(len(mine.delivered))
        return await find_changes(*given)

    monkeypatch.setattr(setup.store, "find_changes", find)
    setup.hub.hinted({hints.MESSAGES + many[0].send_id.bytes})
    await mine.receives(*delivered(*changed))
    assert seen_before[0] <= 8
