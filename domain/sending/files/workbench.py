"""Where files are worked on: on disk and in threads, so many at a time.

A file under way has no name: whatever becomes of the program, nothing of it is left behind.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

from domain.errors import RateLimited

AGAIN_SECONDS = 5
"""After how long whoever finds no room is to try again."""


class Workbench:
    """One process's. `directory`: where files are put, the system's own place where it is None.

    Files that come in, perhaps slowly, and those that are read are counted apart: no tenant's slow
    lines are to keep others from reading.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        arriving_at_once: int = 32,
        waiting_at_once: int = 64,
        of_one_client: int = 4,
        read_at_once: int = 2,
    ) -> None:
        self._directory = directory
        self.arriving = Places(arriving_at_once, of_one_client)
        # Twice as many: what has come in is read besides what is asked for.
        self.reading = Places(waiting_at_once, 2 * of_one_client)
        self._turns = asyncio.Semaphore(read_at_once)

    @contextmanager
    def arrival(self, client_id: UUID) -> Iterator[BinaryIO]:
        """An empty file for what comes in. Raises RateLimited where too many come in already."""
        with self.arriving.taken(client_id), self.file() as file:
            yield file

    @asynccontextmanager
    async def turn(self, client_id: UUID) -> AsyncIterator[None]:
        """The client's turn to have a file read. Raises RateLimited where too many wait already."""
        with self.reading.taken(client_id):
            async with self._turns:
                yield

    @contextmanager
    def file(self) -> Iterator[BinaryIO]:
        """An empty file, for as long as it is worked on."""
        with tempfile.TemporaryFile(dir=self._directory) as file:
            yield cast(BinaryIO, file)


class Places:
    """So many places, of which one client takes no more than some."""

    def __init__(self, most: int, of_one_client: int) -> None:
        self._most = most
        self._of_one_client = of_one_client
        self._taken: Counter[UUID] = Counter()

    @property
    def count(self) -> int:
        """How many are taken."""
        return self._taken.total()

    @contextmanager
    def taken(self, client_id: UUID) -> Iterator[None]:
        """One is the client's. Raises RateLimited where there is none for it."""
        if self.count >= self._most or self._taken[client_id] >= self._of_one_client:
            raise RateLimited(AGAIN_SECONDS)
        self._taken[client_id] += 1
        try:
            yield
        finally:
            self._taken[client_id] -= 1
            if not self._taken[client_id]:
                del self._taken[client_id]
