"""Runs reconciliations in the background of a process, one after another, and one each night."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from domain.errors import AlreadyRunning
from domain.ledger.ports import ReconcileStore
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.ledger.reconciliation import Reconciliation
from domain.units import units_in_words

NIGHTLY_HOUR_UTC = 2

_log = logging.getLogger(__name__)


class Reconciler:
    """The background task. Start it at boot, never inside a request.

    A stop cancels the current run. That is safe: each correction is a transaction of its own.
    """

    def __init__(self, store: ReconcileStore) -> None:
        self._store = store
        self._waiting: asyncio.Queue[tuple[Reconciliation, asyncio.Future[Reconciliation]]]
        self._waiting = asyncio.Queue()
        self._latest: dict[asyncio.Future[Reconciliation], Reconciliation] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the task."""
        self._task = asyncio.create_task(self._work(), name="reconciliations")

    async def stop(self) -> None:
        """Cancels the current run and ends the task."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def add(self, run: Reconciliation) -> asyncio.Future[Reconciliation]:
        """Queues a run. The future gets the finished run."""
        done: asyncio.Future[Reconciliation] = asyncio.get_running_loop().create_future()
        done.add_done_callback(self._forget)
        self._latest[done] = run
        self._waiting.put_nowait((run, done))
        return done

    async def run(self, run: Reconciliation, *, within_seconds: float) -> Reconciliation:
        """The finished run, or the run as it is after so long. It then continues."""
        done = self.add(run)
        await asyncio.wait([done], timeout=within_seconds)
        return done.result() if done.done() else self._latest[done]

    async def start_nightly(self) -> bool:
        """Queues the run of this night, unless a process has done so. Cheap: a loop calls it."""
        if await self._store.start_daily("reconcile", not_since=last_night(datetime.now(UTC))):
            with suppress(AlreadyRunning):
                self.add(await new_reconciliation(self._store))
        return False

    async def _work(self) -> None:
        while True:
            run, done = await self._waiting.get()
            try:
                finished = await reconcile(
                    self._store, run, report=partial(self._latest.__setitem__, done)
                )
            except asyncio.CancelledError:
                done.cancel()
                raise
            except Exception as failure:  # noqa: BLE001 - logged, and raised where it is awaited
                # The next run starts over: what was corrected before stays corrected.
                _log.exception("reconciliation %s failed", run.id)
                done.set_exception(failure)
            else:
                _log.info("reconciliation %s: %s", run.id, summary(finished))
                done.set_result(finished)

    def _forget(self, done: asyncio.Future[Reconciliation]) -> None:
        self._latest.pop(done, None)
        if not done.cancelled():
            done.exception()  # nobody has to wait for it


def last_night(now: datetime) -> datetime:
    """The latest 02:00 UTC that is not after `now`."""
    tonight = now.replace(hour=NIGHTLY_HOUR_UTC, minute=0, second=0, microsecond=0)
    return tonight if tonight <= now else tonight - timedelta(days=1)


def summary(run: Reconciliation) -> str:
    """A finished run in one line."""
    would = "would be " if run.dry_run else ""
    return (
        f"{units_in_words(run.sends_checked, 'send')} and"
        f" {units_in_words(run.messages_checked, 'message')} checked,"
        f" {run.charged_missing:,} units {would}charged, {run.refunded_excess:,} units"
        f" {would}refunded, {run.unknown_left:,} messages UNKNOWN"
    )
