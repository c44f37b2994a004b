"""What the live area needs from persistence: what has changed, without a gap.

The order of changes is that of transaction IDs, and not a time: it does not depend on a clock that
may be set back, and no two reads can miss what was committed between them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from domain.identity.access import Scope
from domain.ids import FIRST_ID
from domain.live.hints import Topic


@dataclass(frozen=True, slots=True)
class Change:
    """A message, conversation or webhook event as it is now. `version` grows with each change."""

    version: int
    item: Any


@dataclass(frozen=True, slots=True, order=True)
class ChangePosition:
    """A position in the order of changes: transaction ID, then row ID."""

    transaction: int
    row_id: UUID = FIRST_ID


@dataclass(frozen=True, slots=True)
class ChangePage:
    """What has changed after a position, in order: the version of each, by its ID.

    `last`: the position of the last of them; None if there are no more. `complete_to`: everything
    before this position was visible to the read, so the next series of pages can start there.
    """

    versions: Mapping[UUID, int]
    complete_to: ChangePosition
    last: ChangePosition | None = None


class LiveStore(Protocol):
    """Reads that find changes. `kind` is the kind of a topic: MESSAGE, CONVERSATION or EVENT."""

    async def fingerprints(self, topics: Collection[Topic]) -> dict[Topic, str]:
        """A text for each topic that differs after each change."""

    async def find_changes(
        self, scopes: Collection[Scope], kind: bytes, ids: Collection[UUID]
    ) -> Sequence[Change]:
        """The rows with these IDs that are within one of the scopes, in the order of changes."""

    async def read_changes(
        self, scopes: Collection[Scope], kind: bytes, after: ChangePosition
    ) -> ChangePage:
        """What has changed after a position. A message that is only accepted has not yet."""

    async def recent_changes(
        self, scope: Scope, kind: bytes, after: ChangePosition | float
    ) -> Sequence[UUID]:
        """What has changed after a position, or in so many seconds by the database's clock.

        The IDs of at most the newest 5,000, in the order of changes.
        """

    async def position(self, kind: bytes | None = None) -> ChangePosition:
        """A position before every change that is committed from now on.

        With `kind`, it is also before the committed changes of this kind that are shown later.
        """
