"""Writes the messages of large files, in parts, into the queue.

Any process claims a job for a lease, copies the upload to its disk, and writes one part after the
other. Each part is a transaction that also moves the job's position. So a part is written exactly
once, also if a process is killed. A job is only a limited number of messages ahead of the
dispatchers. So the queue stays small, and cancelling a job changes few messages.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Awaitable, Iterator, Sequence, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Protocol
from uuid import UUID

from domain.dispatch.cancel import cancel_rest
from domain.dispatch.ports import Cancellations
from domain.errors import InvalidFile, InvalidText, NotFound
from domain.identity.access import OfClient, Payer
from domain.ids import new_id
from domain.long_work import in_file_thread
from domain.numbers import Normaliser
from domain.sending.csv_order import RowPart, read_parts, row_format_of
from domain.sending.file_job import JobPlan, accepted_of, checksum
from domain.sending.files.file_limits import FileLimits
from domain.sending.files.uploads import copy_upload
from domain.sending.messages import NewSend, SendKind
from domain.sending.ports import Uploads
from domain.sending.routes import Routes
from domain.sending.schedule import Schedule, schedule_of
from domain.transactions import UNAVAILABLE, Transaction

LEASE_SECONDS = 15.0
"""How long a job waits after its process was killed."""

MOST_OPEN = 4
"""Jobs that a process writes at a time, in turn. Each has its file on the disk."""

MOST_WAITING = 100_000
"""Messages of a job that are due and not submitted: as many as a bulk send can have."""

MOST_SEGMENTS = 255

FAILED = "The rest of the file could not be read again. It was not sent."

_log = logging.getLogger(__name__)


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


class JobStage(StrEnum):
    """The steps of a writer, for tests that kill it there."""

    CLAIMED = "CLAIMED"
    COPIED = "COPIED"
    LOCKED = "LOCKED"
    WRITING = "WRITING"
    WRITTEN = "WRITTEN"


class JobObserver:
    """Sees what a writer does. Must not block and must not raise."""

    def reached(self, stage: JobStage) -> None:
        """The writer has reached a stage."""


@dataclass(frozen=True, slots=True)
class JobRules:
    """`waiting`: messages of a job that may wait in the queue. None: any number."""

    lease_seconds: float = LEASE_SECONDS
    open_at_once: int = MOST_OPEN
    waiting: int | None = MOST_WAITING


class JobBroken(Exception):
    """The rows are not those that were accepted."""


class JobWriter:
    """The jobs of one process."""

    def __init__(
        self,
        store: JobStore,
        normaliser: Normaliser,
        routes: Routes,
        file_limits: FileLimits,
        *,
        rules: JobRules | None = None,
        observer: JobObserver | None = None,
    ) -> None:
        self._id = new_id()
        self._store = store
        self._normaliser = normaliser
        self._routes = routes
        self._file_limits = file_limits
        self._rules = rules or JobRules()
        self._observer = observer or JobObserver()
        self._open: dict[UUID, _OpenJob] = {}

    async def step(self) -> bool:
        """Writes the next part of each job. True if there may be more at once."""
        await self._claim()
        wrote = [await self._advance(job) for job in list(self._open.values())]
        return any(wrote)

    async def close(self) -> None:
        """Lets other processes continue at once. Call it after the last step."""
        for job in list(self._open.values()):
            with suppress(*UNAVAILABLE):
                await self._release(job)

    async def _claim(self) -> None:
        free = self._rules.open_at_once - len(self._open)
        if not free:
            return
        claimed = await self._store.claim_jobs(
            self._id, most=free, seconds=self._rules.lease_seconds, without=list(self._open)
        )
        for job in claimed:
            self._observer.reached(JobStage.CLAIMED)
            opened = self._open[job.send_id] = _OpenJob(job)
            await self._attempt(opened, self._copy(opened))

    async def _copy(self, opened: _OpenJob) -> bool:
        job = opened.job
        scope = OfClient(job.payer.client_id)
        upload = await self._store.find_upload(scope, job.upload_id, kept_seconds=None)
        file = opened.stack.enter_context(self._file_limits.temporary_file())
        await copy_upload(self._store, upload, file)
        row_format = row_format_of(upload.layout, job.plan.order, most_segments=MOST_SEGMENTS)
        opened.parts = read_parts(
            file,
            replace(row_format, most_segments=None),
            self._normaliser,
            rows=job.plan.part_rows,
            skip=job.rows_read,
        )
        self._observer.reached(JobStage.COPIED)
        return True

    async def _advance(self, opened: _OpenJob) -> bool:
        """Writes the next part, unless too many messages of the job wait. True if it wrote one."""
        send_id = opened.job.send_id
        waiting = await self._store.renew_job(send_id, self._id, seconds=self._rules.lease_seconds)
        if waiting is None:  # it has ended, or another process has it
            self._close(opened)
            return False
        if self._rules.waiting is not None and waiting >= self._rules.waiting:
            is_full = len(self._open) == self._rules.open_at_once
            if is_full and await self._store.other_jobs_wait():
                await self._release(opened)
            return False
        return await self._attempt(opened, self._write(opened))

    async def _attempt(self, opened: _OpenJob, work: Awaitable[bool]) -> bool:
        """Does a step of a job. If its file cannot be read again, the rest is refunded."""
        try:
            return await work
        except (InvalidFile, InvalidText, NotFound, JobBroken) as broken:
            _log.error(
                "send %s: the rest of its file is not sent but refunded: %s",
                opened.job.send_id,
                broken,
            )
            self._close(opened)
            await cancel_rest(self._store, opened.job.send_id, note=FAILED)
            return True
        except BaseException:
            # How much was written is not known. The job is claimed again, with its position.
            self._close(opened)
            raise

    async def _write(self, opened: _OpenJob) -> bool:
        part = await in_file_thread(opened.next_part)
        written = await self._prepared(opened, part)
        async with self._store.transaction() as tx:
            locked = await self._store.lock_claimed(
                tx, opened.job.send_id, self._id, rows_read=opened.rows_read
            )
            self._observer.reached(JobStage.LOCKED)
            if not locked:
                self._close(opened)
                return False
            await self._store.write_part(tx, written)
            self._observer.reached(JobStage.WRITING)
        self._observer.reached(JobStage.WRITTEN)
        opened.rows_read += written.rows
        opened.written += len(written.send.numbers)
        return True

    async def _prepared(self, opened: _OpenJob, part: _Accepted) -> WrittenPart:
        """The messages of a part: when they are due, and through which account they leave."""
        job, payer, numbers = opened.job, opened.job.payer, part.numbers
        plan = job.plan
        opted_out = await self._store.find_opted_out(payer.client_id, numbers)
        schedule = Schedule(plan.send_at)
        if plan.quiet is not None:
            schedule = await in_file_thread(
                partial(schedule_of, numbers, plan.send_at, plan.quiet, plan.accepted_at)
            )
        held_until = list(schedule.held_until)
        if opted_out and plan.send_at is None:
            # A claim checks a message with a `send_at` for an opt-out, and cancels and refunds it.
            # This time has passed, so it is claimed at once.
            held_until = held_until or [None] * len(numbers)
            held_until = [
                each or (job.created_at if number in opted_out else None)
                for number, each in zip(numbers, held_until, strict=True)
            ]
        send = NewSend(
            id=job.send_id,
            payer=payer,
            actor_id=job.actor_id,
            kind=SendKind.CSV,
            numbers=numbers,
            text=None,
            texts=part.texts,
            send_at=plan.send_at,
            held_until=held_until,
            routes=self._routes.table.choose(payer.provider_account_id, numbers),
            first_message_id=UUID(int=plan.first_message_id.int + opened.written),
        )
        scheduled = len(numbers) if plan.send_at else send.held
        return WrittenPart(send, part.rows, scheduled, job.created_at)

    async def _release(self, opened: _OpenJob) -> None:
        self._close(opened)
        await self._store.release_job(opened.job.send_id, self._id)

    def _close(self, opened: _OpenJob) -> None:
        self._open.pop(opened.job.send_id, None)
        opened.stack.close()


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The accepted rows of a part, and how many rows the part has."""

    numbers: Sequence[str]
    texts: Sequence[str] | None
    rows: int


class _OpenJob:
    """A claimed job, its file, and how far it is."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.stack = ExitStack()
        self.parts: Iterator[RowPart] = iter(())
        self.rows_read = job.rows_read
        self.written = job.written
        self._flags = zlib.decompress(job.accepted_rows)

    def next_part(self) -> _Accepted:
        """The accepted rows of the next part. Raises JobBroken, InvalidFile."""
        part = next(self.parts, RowPart())
        number = self.rows_read // self.job.plan.part_rows
        flags = self._flags[self.rows_read : self.rows_read + len(part.written)]
        numbers, texts = accepted_of(part, flags)
        if not part.written or checksum(numbers, texts) != self.job.plan.checksums[number]:
            raise JobBroken(f"part {number + 1} of the file differs from what was checked")
        return _Accepted(numbers, texts, len(part.written))
