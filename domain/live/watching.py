"""What a subscription watches, for whom, and how what is told waits for its reader.

A `Present` is the state of something: a reader gets it at once, then again after every change, and
of two states the newer one wins. `Changes` are told one by one, of each thing its newest state. A
`Feed` is told whole and in order, to each reader from its own place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from domain.identity.access import Actor, Payer, Role, Scope
from domain.inbox.conversations import InboundMessage
from domain.live.hints import Topic

T = TypeVar("T")

NOBODY_IN_PARTICULAR = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """All that what an actor sees depends on: who have the same one share an execution.

    No user is in it. What is executed for a viewpoint is executed as nobody in particular, so
    that something of one user's own cannot reach another.
    """

    role: Role
    client_id: UUID | None
    group_id: UUID | None
    client_status: str | None
    payer: Payer | None

    @classmethod
    def of(cls, actor: Actor) -> Viewpoint:
        """The actor's."""
        return cls(actor.role, actor.client_id, actor.group_id, actor.client_status, actor.payer)

    @property
    def actor(self) -> Actor:
        """An actor who sees that and is no user."""
        return Actor(
            user_id=NOBODY_IN_PARTICULAR,
            role=self.role,
            credential_id=NOBODY_IN_PARTICULAR,
            client_id=self.client_id,
            group_id=self.group_id,
            client_status=self.client_status,
            payer=self.payer,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Present(Generic[T]):
    """The state of something. `topics_of`: what changes it. `is_last`: nothing follows it."""

    read: Callable[[], Awaitable[T]]
    topics_of: Callable[[T], frozenset[Topic]]
    version_of: Callable[[T], int] = lambda _: 0
    is_last: Callable[[T], bool] = lambda _: False

    async def __aiter__(self) -> AsyncIterator[T]:
        """The state, once: for whoever iterates without a hub."""
        yield await self.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(Generic[T]):
    """Things of a scope that change. `kind`: of the topics that name one. `begin`: what a new
    reader is told first. `covers`: whether one of the scope is watched."""

    kind: bytes
    scope: Scope
    begin: Callable[[], Awaitable[Sequence[T]]]
    covers: Callable[[Any], bool] = lambda _: True

    async def __aiter__(self) -> AsyncIterator[T]:
        """Those of the beginning: for whoever iterates without a hub."""
        for each in await self.begin():
            yield each


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a client has received, behind number `after` of its feed. `read`: so many of those
    behind a number, in order and without a gap."""

    client_id: UUID
    after: int
    read: Callable[[int, int], Awaitable[Sequence[InboundMessage]]]

    async def __aiter__(self) -> AsyncIterator[InboundMessage]:
        """What is there already: for whoever iterates without a hub."""
        for message in await self.read(self.after, 100):
            yield message


Watch: TypeAlias = Present[Any] | Changes[Any] | Feed


@dataclass(frozen=True, slots=True)
class Place:
    """How far a client's feed was told."""

    client_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Item:
    """One thing told, encoded once for all its readers. A newer one of its key replaces it.

    `place`: where it stands in a feed, of which nothing is ever left out.
    """

    body: bytes
    key: Hashable = None
    place: Place | None = None


class Reader(Protocol):
    """One subscription of one connection. Must not block, and must not raise.

    `place`: of the last item of a feed that was written to the connection, or else where it is to
    begin: it stays when rights change and the reader joins again. `on_room`: to be called when
    there is room once more.
    """

    place: Place | None
    on_room: Callable[[], None] | None

    @property
    def has_room(self) -> bool:
        """Whether more of a feed is to be offered: what waits is bounded, and misses nothing."""
        ...

    def offer(self, item: Item) -> None:
        """To be told, as soon as the reader can take it."""
        ...

    def end(self, errors: bytes | None = None) -> None:
        """Nothing more comes: it is complete, or failed with these errors (as JSON)."""
        ...


class Form(Protocol):
    """How what is watched is told: for one document, its variables and a viewpoint."""

    async def told(self, value: Any) -> bytes:
        """The response, as JSON. Raises TryAgain where what it needs cannot be read now."""
        ...

    def failed(self, failure: Exception) -> bytes:
        """The errors, as JSON: a refusal in our words, anything else masked."""
        ...


ROOM_ITEMS = 100
ROOM_BYTES = 64 * 1024
"""How much of a feed waits for one reader before no more is offered to it."""


@dataclass(slots=True)
class Backlog:
    """What waits for a slow reader: of each key the newest, in order, and not without end."""

    most: int = 1_000
    _items: dict[Hashable, Item] = field(default_factory=dict)
    _bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def has_room(self) -> bool:
        """Whether more of a feed is taken."""
        return len(self._items) < ROOM_ITEMS and self._bytes < ROOM_BYTES

    def put(self, item: Item) -> bool:
        """Whether there is room for it: otherwise the reader is to begin again."""
        replaced = self._items.pop(item.key, None)
        self._items[item.key] = item
        self._bytes += len(item.body) - (len(replaced.body) if replaced else 0)
        return len(self._items) <= self.most

    def take(self) -> Item | None:
        """The one that has waited longest."""
        for key in self._items:
            taken = self._items.pop(key)
            self._bytes -= len(taken.body)
            return taken
        return None
