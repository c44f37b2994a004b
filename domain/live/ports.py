"""What the live area needs from the outside: persistence, and the program around it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from domain.identity.access import Scope
from domain.inbox.conversations import Conversation
from domain.inbox.webhooks import WebhookEvent
from domain.live.hints import Topic
from domain.sending.sends import Message

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Changed(Generic[T]):
    """Things that have changed, oldest change first, and the store's time before the read.

    `more`: there are others, changed later than the last of these.
    """

    items: Sequence[T]
    read_at: datetime
    more: bool = False


class LiveStore(Protocol):
    """Reads that find out what has changed."""

    async def fingerprints(self, topics: Collection[Topic]) -> dict[Topic, str]:
        """A text for each topic that is another one after each change."""
        ...

    async def find_changed_messages(
        self, scopes: Collection[Scope], ids: Collection[UUID]
    ) -> Sequence[Message]:
        """Those of the messages that are within one of the scopes, oldest change first."""
        ...

    async def read_changed_messages(
        self, scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
    ) -> Changed[Message]:
        """Messages changed since that time of the store's (None: now), and some before it again.

        A new message has not changed yet. Looks at those that are at most a day old.
        """
        ...

    async def find_changed_conversations(
        self, scopes: Collection[Scope], ids: Collection[UUID]
    ) -> Sequence[Conversation]:
        """Those of the conversations that are within one of the scopes, oldest change first."""
        ...

    async def read_changed_conversations(
        self, scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
    ) -> Changed[Conversation]:
        """Conversations changed since that time of the store's (None: now), and some before."""
        ...

    async def find_changed_events(
        self, scopes: Collection[Scope], ids: Collection[UUID]
    ) -> Sequence[WebhookEvent]:
        """Those of the events that are within one of the scopes, oldest change first."""
        ...

    async def read_changed_events(
        self, scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
    ) -> Changed[WebhookEvent]:
        """Events stored or ruled on since that time of the store's (None: now), and some before."""
        ...
