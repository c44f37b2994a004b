"""Where files are worked on: on disk and in threads, a few at a time.

A file under way has no name: whatever becomes of the program, nothing of it is left behind.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, cast
from uuid import UUID

from domain.errors import RateLimited

Result = TypeVar("Result")

AGAIN_SECONDS = 5
"""After how long whoever finds no room is to try again."""


class Workbench:
    """One process's. `directory`: where files are put, the system's own place where it is None."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        files_at_once: int = 16,
        of_one_client: int = 4,
        read_at_once: int = 2,
    ) -> None:
        self._directory = directory
        self._files_at_once = files_at_once
        self._of_one_client = of_one_client
        self._files: Counter[UUID] = Counter()
        self._reading = asyncio.Semaphore(read_at_once)

    @property
    def at_work(self) -> int:
        """How many files are worked on."""
        return self._files.total()

    @contextmanager
    def file(self, client_id: UUID) -> Iterator[BinaryIO]:
        """An empty file, for as long as it is worked on. Raises RateLimited where many are."""
        of_client = self._files[client_id]
        if self.at_work >= self._files_at_once or of_client >= self._of_one_client:
            raise RateLimited(AGAIN_SECONDS)
        self._files[client_id] += 1
        try:
            with tempfile.TemporaryFile(dir=self._directory) as file:
                yield cast(BinaryIO, file)
        finally:
            self._files[client_id] -= 1
            if not self._files[client_id]:
                del self._files[client_id]

    async def read(self, work: Callable[[], Result]) -> Result:
        """What the work on a file comes to, done in a thread when its turn has come."""
        async with self._reading:
            return await asyncio.to_thread(work)
