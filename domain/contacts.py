"""The people that a client writes with: a number, and the names that it goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Contact:
    """A number that a client has sent to or heard from."""

    id: UUID
    client_id: UUID
    number: str
    name: str | None
    business: str | None
    created_at: datetime

    @property
    def opted_out(self) -> bool:
        """Whether the number has asked not to be written to."""
        return False
