"""Runs reconciliations in the background of a process, one after another, and one each night."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from domain.errors import AlreadyRunning, units_in_words
from domain.ledger.ports import ReconcileStore
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.ledger.reconciliation import Reconciliation
from domain.ledger.runs import Runs

NIGHTLY_HOUR_UTC = 2


class Reconciler(Runs[Reconciliation]):
    """The background task. A run can be cancelled: each correction is a transaction of its own."""

    def __init__(self, store: ReconcileStore) -> None:
        super().__init__("reconciliation")
        self._store = store

    async def start_nightly(self) -> bool:
        """Queues the run of this night, unless a process has done so. Cheap: a loop calls it."""
        if await self._store.start_daily("reconcile", not_since=last_night(datetime.now(UTC))):
            with suppress(AlreadyRunning):
                self.add(await new_reconciliation(self._store))
        return False

    async def perform(
        self, run: Reconciliation, report: Callable[[Reconciliation], None]
    ) -> Reconciliation:
        return await reconcile(self._store, run, report=report)

    def summary(self, run: Reconciliation) -> str:
        return summary(run)


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
