"""How many files one process takes in and reads at once."""

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

RETRY_SECONDS = 5


class FileLimits:
    """The limits of one process. `directory`: for temporary files; None for the system's own.

    Files that arrive and files that are read are counted separately, so that slow uploads of one
    tenant do not keep others from reading.
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
        self.arriving = Slots(arriving_at_once, of_one_client)
        # Twice as many: an uploaded file is read as well as those that requests name.
        self.reading = Slots(waiting_at_once, 2 * of_one_client)
        self._turns = asyncio.Semaphore(read_at_once)
        self._large = Slots(waiting_at_once // 4, of_one_client // 2)
        self._large_turn = asyncio.Semaphore(1)

    @contextmanager
    def arriving_file(self, client_id: UUID) -> Iterator[BinaryIO]:
        """An empty file for an upload. Raises RateLimited if too many arrive already."""
        with self.arriving.slot(client_id), self.temporary_file() as file:
            yield file

    @asynccontextmanager
    async def reading_turn(self, client_id: UUID) -> AsyncIterator[None]:
        """Waits for the client's turn to read a file. Raises RateLimited if too many wait."""
        with self.reading.slot(client_id):
            async with self._turns:
                yield

    @asynccontextmanager
    async def large_turn(self, client_id: UUID) -> AsyncIterator[None]:
        """Waits until no other large file is checked. Raises RateLimited if too many wait."""
        with self._large.slot(client_id):
            async with self._large_turn:
                yield

    @contextmanager
    def temporary_file(self) -> Iterator[BinaryIO]:
        """An empty file without a name: it is gone even if the program is killed."""
        with tempfile.TemporaryFile(dir=self._directory) as file:
            yield cast(BinaryIO, file)


class Slots:
    """A number of slots, of which one client can use only some."""

    def __init__(self, most: int, of_one_client: int) -> None:
        self._most = most
        self._of_one_client = of_one_client
        self._used: Counter[UUID] = Counter()

    @property
    def count(self) -> int:
        """How many are in use."""
        return self._used.total()

    @contextmanager
    def slot(self, client_id: UUID) -> Iterator[None]:
        """Uses one. Raises RateLimited if none is free for the client."""
        if self.count >= self._most or self._used[client_id] >= self._of_one_client:
            raise RateLimited(RETRY_SECONDS)
        self._used[client_id] += 1
        try:
            yield
        finally:
            self._used[client_id] -= 1
            if not self._used[client_id]:
                del self._used[client_id]
