"""Hashes of passwords by argon2id: slow, a few at a time, and off the event loop.

46 MiB, one pass, one lane: OWASP's first choice (Password Storage Cheat Sheet, read 2026-11).
"""

from __future__ import annotations

import asyncio
import os
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB = 46 * 1024
AT_ONCE = min(4, os.cpu_count() or 1)


class Argon2Passwords:
    """Fills `domain.identity.ports.Passwords`."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, at_once: int = AT_ONCE) -> None:
        self._hasher = PasswordHasher(time_cost=1, memory_cost=memory_kib, parallelism=1)
        self._turns = asyncio.Semaphore(at_once)
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """A salted hash that says its own parameters."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether the hash is this password's. None: False, after the time that a hash takes."""
        async with self._turns:
            matches = await asyncio.to_thread(self._matches, password, kept or self._nobodys)
        return matches and kept is not None

    def _matches(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False
