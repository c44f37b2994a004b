"""What a subscription watches, for whom, and the interfaces of its two ends.

A `StateWatch` delivers the current state at once and again after every change; a newer state
replaces an older one. A `ChangeWatch` delivers the newest state of each thing that changed. A
`FeedWatch` delivers every message in order, to each subscriber from its own position.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from domain.identity.access import Actor, Payer, Role, Scope
from domain.inbox.messages import InboundMessage
from domain.live.hints import Topic
from domain.live.ports import ChangePosition

T = TypeVar("T")

NO_USER = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Everything that decides what an actor can see. Actors with equal viewpoints share a stream.

    It holds no user ID: a shared execution must never read anything that belongs to one user.
    """

    role: Role
    client_id: UUID | None
    group_id: UUID | None
    client_status: str | None
    payer: Payer | None

    @classmethod
    def of(cls, actor: Actor) -> Viewpoint:
        """The viewpoint of an actor."""
        return cls(actor.role, actor.client_id, actor.group_id, actor.client_status, actor.payer)

    @property
    def actor(self) -> Actor:
        """An actor with these rights that is not a user."""
        return Actor(
            user_id=NO_USER,
            role=self.role,
            credential_id=NO_USER,
            client_id=self.client_id,
            group_id=self.group_id,
            client_status=self.client_status,
            payer=self.payer,
        )


class _AsyncIterable:
    """graphql-core accepts no other result of a subscription. The hub reads watches instead."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWatch(_AsyncIterable, Generic[T]):
    """Watches one state.

    `topics_of`: the topics whose hints mean that it may have changed. `is_last`: whether no other
    state can follow.
    """

    read: Callable[[], Awaitable[T]]
    topics_of: Callable[[T], frozenset[Topic]]
    version_of: Callable[[T], int] = lambda _: 0
    is_last: Callable[[T], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeWatch(_AsyncIterable):
    """Watches the changes of one kind within a scope.

    `read_first`: the IDs of what a new subscriber receives first. Its argument says which changes
    are recent: those after a position, or those of the last seconds. `covers`: whether a thing
    within the scope is watched.
    """

    kind: bytes
    scope: Scope
    read_first: Callable[[ChangePosition | float], Awaitable[Sequence[UUID]]]
    covers: Callable[[Any], bool] = lambda _: True


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedWatch(_AsyncIterable):
    """Watches a client's inbound messages after number `after` of its feed.

    `read`: the messages after a number, at most this many, in order and without a gap.
    """

    client_id: UUID
    after: int
    read: Callable[[int, int], Awaitable[Sequence[InboundMessage]]]


Watch: TypeAlias = StateWatch[Any] | ChangeWatch | FeedWatch


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """The number of the last message of a client's feed that a subscriber received."""

    client_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Item:
    """One event, encoded once for all its subscribers. A newer item with its key replaces it.

    `position`: of a feed's item. Items of a feed have different keys: none replaces another.
    `is_first`: it belongs to what a new subscriber of changes receives first.
    """

    body: bytes
    key: Hashable = None
    position: FeedPosition | None = None
    is_first: bool = False


class Subscriber(Protocol):
    """One subscription of one connection. Its methods must not block and must not raise.

    `position`: of the last feed item that was written to the connection, or the one to start from.
    It is kept if the subscriber's rights change and it joins again. `on_capacity`: called when it
    can take more of a feed again.
    """

    position: FeedPosition | None
    on_capacity: Callable[[], None] | None

    @property
    def has_capacity(self) -> bool:
        """Whether it takes more of a feed: the number of waiting items is bounded."""

    def offer(self, item: Item) -> None:
        """Adds an item, to be written as soon as the connection takes it."""

    def end(self, errors: bytes | None = None) -> None:
        """Ends the subscription: complete, or failed with these errors (JSON)."""


class Renderer(Protocol):
    """Turns an event into a response, for one document, its variables and a viewpoint."""

    async def render(self, value: Any) -> bytes:
        """The response as JSON. Raises TryAgain if the database cannot be read now."""

    def render_failure(self, failure: Exception) -> bytes:
        """The errors as JSON: the message of a refusal, or a masked error."""


FEED_ITEMS = 100
FEED_BYTES = 64 * 1024
"""How much of a feed waits for one subscriber before no more is offered to it."""


@dataclass(slots=True)
class PendingItems:
    """The items that wait for a slow subscriber: the newest of each key, in order.

    `most`: how many may wait besides the first ones. Those come all at once, and a subscriber that
    starts again would receive them again.
    """

    most: int = 1_000
    _items: dict[Hashable, Item] = field(default_factory=dict)
    _bytes: int = 0
    _first: int = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def has_capacity(self) -> bool:
        """Whether more of a feed may be added."""
        return len(self._items) < FEED_ITEMS and self._bytes < FEED_BYTES

    def put(self, item: Item) -> bool:
        """Adds an item. False if there are too many now: the subscriber must start again."""
        self._remove(item.key)
        self._items[item.key] = item
        self._bytes += len(item.body)
        self._first += item.is_first
        return len(self._items) - self._first <= self.most

    def take(self) -> Item | None:
        """Removes and returns the oldest item. None if there is none."""
        return self._remove(next(iter(self._items), None))

    def _remove(self, key: Hashable) -> Item | None:
        removed = self._items.pop(key, None)
        if removed is not None:
            self._bytes -= len(removed.body)
            self._first -= removed.is_first
        return removed
