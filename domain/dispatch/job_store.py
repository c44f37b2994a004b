"""Jobs as they are stored: what writing them needs from persistence."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.dispatch.ports import Cancellations
from domain.identity.access import Payer
from domain.sending.file_job import JobPlan
from domain.sending.messages import NewSend
from domain.sending.ports import Uploads
from domain.transactions import Transaction


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. `rows_read`: rows of the file that are done. `written`: messages so far."""

    send_id: UUID
    payer: Payer
    actor_id: UUID
    created_at: datetime
    upload_id: UUID
    plan: JobPlan
    accepted_rows: bytes
    rows_read: int
    written: int


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """The next messages of a send, made from `rows` rows. `scheduled`: those of a later time."""

    send: NewSend
    rows: int
    scheduled: int
    created_at: datetime


class JobStore(Cancellations, Uploads, Protocol):
    """Sends whose messages are written in parts. A job is claimed by one process at a time."""

    async def claim_jobs(
        self, writer_id: UUID, *, most: int, seconds: float, without: Sequence[UUID]
    ) -> list[Job]:
        """Claims, for `seconds`, jobs that no other process holds, except `without`."""

    async def renew_job(self, send_id: UUID, writer_id: UUID, *, seconds: float) -> int | None:
        """Renews the claim. Returns how many of its written messages are due and not submitted.

        None if it has ended, or if another process has claimed it.
        """

    async def release_job(self, send_id: UUID, writer_id: UUID) -> None:
        """Ends the claim."""

    async def other_jobs_wait(self) -> bool:
        """Whether there are jobs that nobody holds."""

    async def lock_claimed(
        self, tx: Transaction, send_id: UUID, writer_id: UUID, *, rows_read: int
    ) -> bool:
        """Locks the job. False if the writer no longer holds it, or it is at another row."""

    async def write_part(self, tx: Transaction, part: WrittenPart) -> None:
        """Writes the messages of a locked job, QUEUED, and moves its position."""

    async def find_opted_out(self, client_id: UUID, numbers: Sequence[str]) -> Set[str]:
        """Those of the numbers that the client may not send to."""
