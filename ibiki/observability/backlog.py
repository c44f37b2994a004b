"""What waits in the database, shown at /metrics: read when somebody asks, at most so often.

Every process shows the same figures, which are of all of them: take the largest, not the sum.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

from domain.errors import TryAgain

if TYPE_CHECKING:
    from domain.dispatch.ports import Backlog, Backlogs

FRESH_SECONDS = 5.0
"""How long a figure is shown again before it is read anew, whoever asks."""

ANSWER_SECONDS = 2.0
"""How long a scrape waits for the database: Prometheus gives up after 10."""

NOT_KNOWN = float("nan")


class BacklogMetrics:
    """The gauges of what waits. Not a number while the database cannot be asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"ibiki_{name}", help, labels, registry=registry)

        self._answers = gauge("database_answers", "1 where the database could be asked just now.")
        self._queued = gauge("messages_queued", "Messages not handed over yet.")
        self._oldest = gauge("oldest_queued_seconds", "How long the oldest of them has waited.")
        self._in_doubt = gauge("messages_unknown", "Messages that somebody has to settle.")
        self._events = gauge("webhook_events_waiting", "Calls of providers not received yet.")
        self._paused = gauge(
            "provider_account_paused", "1 while the provider refuses us.", "provider_account"
        )
        self._one_at_a_time = asyncio.Lock()
        self._read_at = -FRESH_SECONDS
        self._show(None)

    async def refresh(self, store: Backlogs) -> None:
        """The gauges show what the database says, or that it says nothing. Raises nothing."""
        async with self._one_at_a_time:
            if time.monotonic() - self._read_at < FRESH_SECONDS:
                return
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._show(await store.read_backlog())
            except (TryAgain, TimeoutError):
                self._show(None)
            self._read_at = time.monotonic()

    def _show(self, found: Backlog | None) -> None:
        self._answers.set(found is not None)
        self._queued.set(found.queued if found else NOT_KNOWN)
        self._oldest.set(found.oldest_seconds if found else NOT_KNOWN)
        self._in_doubt.set(found.in_doubt if found else NOT_KNOWN)
        self._events.set(found.events if found else NOT_KNOWN)
        self._paused.clear()
        for provider_account_id, paused in found.paused.items() if found else ():
            self._paused.labels(str(provider_account_id)).set(paused)
