"""The gauges of /metrics that come from the database: what is queued, unknown or paused.

They are read when /metrics is read, at most every few seconds. Every process shows the same
figures, so a dashboard must take their maximum and not their sum.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from prometheus_client import CollectorRegistry, Gauge

from domain import ids
from domain.dispatch.messages import Backlog
from domain.dispatch.ports import Backlogs
from domain.errors import TryAgain
from domain.identity.access import Everything
from domain.ids import Kind
from domain.ledger.alarms import AlarmKind
from domain.ledger.balances import ProviderAccountFigures

FRESH_SECONDS = 5.0
"""How long the figures that were read are shown again."""

ANSWER_SECONDS = 2.0
"""How long /metrics waits for the database. Prometheus itself waits 10 s."""

NOT_KNOWN = float("nan")

FIGURES = {
    "queued": ("messages_queued", "Messages not submitted to a provider yet."),
    "scheduled": ("messages_scheduled", "Messages whose time has not come yet."),
    "oldest_seconds": ("oldest_queued_seconds", "Age of the oldest queued message."),
    "unknown": ("messages_unknown", "Messages whose outcome a person must settle."),
    "events": ("webhook_events_waiting", "Webhook events not evaluated yet."),
    "pending_opt_outs": ("opt_outs_pending", "Unrouted STOPs that the operator must assign."),
    "hooks": ("hook_deliveries_waiting", "Deliveries of client webhooks that have not arrived."),
    "failing_hooks": (
        "hook_endpoints_failing",
        "Webhook endpoints of clients that have failed for a day.",
    ),
    "misplaced": ("rows_without_month", "Rows of a month that no partition was made for."),
}
"""The gauge of each field of a `Backlog`."""


class BacklogMetrics:
    """The gauges. A figure that could not be read in time is NaN, not the last value or 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"ibiki_{name}", help, labels, registry=registry)

        self._answers = gauge("database_answers", "1 if the database answered the last time.")
        self._figures = {field: gauge(*named) for field, named in FIGURES.items()}
        self._paused = gauge(
            "provider_account_paused",
            "1 while the provider rejects us.",
            "provider_account",
        )
        self._alarm = gauge(
            "alarm", "1 while a pool has this alarm, else 0.", "kind", "provider_account"
        )
        self._lock = asyncio.Lock()
        self._read_at = -FRESH_SECONDS
        self._show(None)

    async def refresh(self, store: Backlogs) -> None:
        """Reads the figures, unless they are fresh. Raises nothing."""
        async with self._lock:
            if time.monotonic() - self._read_at < FRESH_SECONDS:
                return
            paused: Mapping[UUID, bool] | None = None
            backlog: Backlog | None = None
            accounts: Sequence[ProviderAccountFigures] = ()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    # This read is small. If it succeeds and the next one does not, the database
                    # is slow, but available.
                    paused = await store.paused_accounts()
                    backlog = await store.read_backlog()
                    accounts = await store.read_provider_accounts(Everything())
            except (TryAgain, TimeoutError):
                pass
            self._show_paused(paused)
            self._show(backlog)
            self._show_alarms(accounts)
            self._read_at = time.monotonic()

    def _show_paused(self, paused: Mapping[UUID, bool] | None) -> None:
        self._answers.set(paused is not None)
        self._paused.clear()
        for account_id, is_paused in (paused or {}).items():
            self._paused.labels(ids.encode(Kind.PROVIDER_ACCOUNT, account_id)).set(is_paused)

    def _show_alarms(self, accounts: Sequence[ProviderAccountFigures]) -> None:
        self._alarm.clear()
        for account in accounts:
            named = ids.encode(Kind.PROVIDER_ACCOUNT, account.id)
            raised = {alarm.kind for alarm in account.platform.alarms}
            for kind in AlarmKind:
                self._alarm.labels(kind.value.lower(), named).set(kind in raised)

    def _show(self, backlog: Backlog | None) -> None:
        for field, gauge in self._figures.items():
            gauge.set(getattr(backlog, field, NOT_KNOWN))
