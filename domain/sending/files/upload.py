"""An upload: a tenant's file of separated values, kept whole for a day, then gone."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.sending.files.layout import Layout

PART_BYTES = 1024 * 1024
KEPT_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a client's, and how it is laid out. `size`: in bytes."""

    id: UUID
    client_id: UUID
    size: int
    layout: Layout

    @property
    def parts(self) -> int:
        """How many parts it is kept in."""
        return -(-self.size // PART_BYTES)
