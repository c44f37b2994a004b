"""What waits in the store, as an operator watches it: `persistence.backlog` fills it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not done yet, over all processes and all tenants.

    `oldest_seconds`: since the first of what is queued was accepted; 0 where nothing is.
    `paused`: every provider account, and whether it refuses us.
    """

    queued: int
    oldest_seconds: float
    in_doubt: int
    events: int
    paused: Mapping[UUID, bool]


class Backlogs(Protocol):
    """Who can say what waits."""

    async def read_backlog(self) -> Backlog:
        """What waits now; nothing is locked. Raises TryAgain."""
        ...
