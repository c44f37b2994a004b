"""Password hashes with argon2id, computed in a few threads.

46 MiB, one pass, one lane: the first choice of OWASP (Password Storage Cheat Sheet, 2026-11).
"""

from __future__ import annotations

import asyncio
import os
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB = 46 * 1024
MOST_THREADS = min(4, os.cpu_count() or 1)


class Argon2Passwords:
    """Implements `domain.identity.ports.Passwords`."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, threads: int = MOST_THREADS) -> None:
        self._hasher = PasswordHasher(time_cost=1, memory_cost=memory_kib, parallelism=1)
        self._slots = asyncio.Semaphore(threads)
        # Verified for unknown emails, so that the time does not show whether a user exists.
        self._placeholder = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        async with self._slots:
            matches = await asyncio.to_thread(self._matches, password, stored or self._placeholder)
        return matches and stored is not None

    def _matches(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
