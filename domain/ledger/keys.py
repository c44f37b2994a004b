"""Idempotency keys, and the answers that are stored under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's word that two requests are one: unique within its scope (a client, a user)."""

    scope_id: UUID
    key: str
    input_hash: bytes

    @property
    def id(self) -> UUID:
        """The key's own id: the same for the same scope and key, whoever asks."""
        return UUID(bytes=sha256(self.scope_id.bytes + self.key.encode()).digest()[:16])


Answer: TypeAlias = Mapping[str, Any]
"""The answer kept under an idempotency key: JSON."""
