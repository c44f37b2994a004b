"""Keeps at recording what came of calls, many together, until the database has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from domain.clock import now_seconds
from domain.dispatch.handover import Handover
from domain.dispatch.observing import Observer
from domain.dispatch.ports import Settlements
from domain.dispatch.record import Ended, record
from domain.loops import AWAY, log_failure, pause_after
from domain.sending.batcher import Batcher

LARGEST_BATCH = 100
WINDOW_SECONDS = 0.001
GRACE_SECONDS = 60.0
"""Beyond the lease: how long an answer is kept that a healthy database does not take."""

HURRY_SECONDS = 10.0
"""How long a database that is away may keep this program from ending."""

_log = logging.getLogger(__name__)


class Recorder:
    """Records ended calls of one provider account. An answer in hand outlives lost connections."""

    def __init__(
        self, store: Settlements, provider_account_id: UUID, *, rules: Handover, observer: Observer
    ) -> None:
        self._store = store
        self._provider_account_id = provider_account_id
        self._rules = rules
        self._observer = observer
        self._hurried_at: float | None = None
        self._never = asyncio.Event()
        self._batcher: Batcher[Ended, Exception | None] = Batcher(
            self._record, largest=LARGEST_BATCH, window_seconds=WINDOW_SECONDS
        )

    def start(self) -> None:
        """Begins to record."""
        self._batcher.start()

    def hurry(self) -> None:
        """From now on a database that is away is waited for only a little longer."""
        self._hurried_at = now_seconds()

    async def stop(self) -> None:
        """Records what was given, then ends."""
        await self._batcher.stop()

    async def record(self, ended: Ended) -> None:
        """Returns when the call is recorded.

        A database that is away is waited for; what it refuses again and again for another reason
        is let go after the lease, when the sweep says UNKNOWN.
        """
        began = now_seconds()
        failures = 0
        while True:
            failure = await self._try(ended)
            if failure is None:
                return
            failures += 1
            log_failure(_log, "recording", failure, failures)
            if self._is_over(failure, began):
                _log.error("attempt %s could not be recorded", ended.attempt_id)
                return
            await pause_after(failures, self._never)

    async def _try(self, ended: Ended) -> Exception | None:
        try:
            return await self._batcher.ask(ended)
        except Exception as failure:  # noqa: BLE001 - told apart by the caller
            return failure

    def _is_over(self, failure: Exception, began: float) -> bool:
        now = now_seconds()
        if isinstance(failure, AWAY):
            return self._hurried_at is not None and now > self._hurried_at + HURRY_SECONDS
        return now > began + self._rules.lease_seconds + GRACE_SECONDS

    async def _record(self, calls: Sequence[Ended]) -> list[Exception | None]:
        """None for each call, or for each that the database is away: then none is poisoned."""
        try:
            await record(
                self._store,
                self._provider_account_id,
                calls,
                rules=self._rules,
                observer=self._observer,
            )
        except AWAY as away:
            return [away] * len(calls)
        return [None] * len(calls)
