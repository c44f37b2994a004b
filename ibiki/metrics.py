"""What the program counts, for Prometheus: every name, label and help text stands here.

Each process shows its own numbers at /metrics; a sum over all of them is for Prometheus to make.
Labels are few and short: never a client, a number or a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from domain.dispatching.observing import Observer
from domain.outcomes import Accepted, NotSent, Rejected, Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from domain.outcomes import Outcome

CONTENT_TYPE = CONTENT_TYPE_LATEST

_OUTCOMES = {
    Accepted: "accepted",
    Rejected: "rejected",
    NotSent: "not_sent",
    Unknown: "unknown",
}
_QUICK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_CALL_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200)


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.http_requests = self._counter(
            "http_requests", "Requests answered over HTTP.", "method", "route", "status"
        )
        self.http_seconds = self._histogram(
            "http_request_seconds", "From a request's first byte to its answer.", _QUICK_SECONDS
        )
        self.refusals = self._counter(
            "refusals", "Requests refused, by the refusal's name.", "operation", "refusal"
        )
        self.sends_accepted = self._counter("sends_accepted", "Sends charged and queued.", "kind")
        self.messages_accepted = self._counter(
            "messages_accepted", "Messages charged and queued.", "kind"
        )
        self.accept_seconds = self._histogram(
            "accept_seconds", "From asking to send until it is durable.", _QUICK_SECONDS
        )
        self.accept_batch_size = self._histogram(
            "accept_batch_size", "Sends decided in one transaction.", _BATCH_SIZES
        )
        self.accepts_waiting = self._gauge("accepts_waiting", "Sends that wait for a transaction.")
        self.messages_queued = self._gauge("messages_queued", "Messages not handed over yet.")
        self.oldest_queued_seconds = self._gauge(
            "oldest_queued_seconds", "How long the oldest of them has waited."
        )
        self.calls = self._counter(
            "provider_calls", "Calls made to hand messages over.", "provider_account"
        )
        self.call_seconds = self._histogram(
            "provider_call_seconds", "How long a call to a provider takes.", _CALL_SECONDS
        )
        self.outcomes = self._counter(
            "message_outcomes", "What calls came to, by message.", "provider_account", "outcome"
        )
        self.swept = self._counter("messages_swept", "Messages made UNKNOWN by a lease's end.")
        self.breaker_open = self._gauge(
            "breaker_open", "1 while calls are held back.", "provider_account"
        )
        self.account_paused = self._gauge(
            "provider_account_paused", "1 while the provider refuses us.", "provider_account"
        )
        self.webhook_events = self._counter(
            "webhook_events", "Calls of providers, by what became of them.", "provider", "outcome"
        )
        self.sockets = self._gauge("sockets", "Websockets that are open.")

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"ibiki_{name}", help, labels, registry=self.registry)

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return Gauge(f"ibiki_{name}", help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"ibiki_{name}", help, registry=self.registry, buckets=buckets)


class HandoverMetrics(Observer):
    """Counts what the dispatcher tells of."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """Counts the call, its length, and each message's outcome."""
        account = str(provider_account_id)
        self._metrics.calls.labels(account).inc()
        self._metrics.call_seconds.observe(seconds)
        for outcome in outcomes:
            self._metrics.outcomes.labels(account, _OUTCOMES[type(outcome)]).inc()

    def swept(self, messages: int) -> None:
        """Counts messages whose lease had passed."""
        self._metrics.swept.inc(messages)

    def paused(self, provider_account_id: UUID, reason: str) -> None:
        """Shows the account as paused."""
        self._metrics.account_paused.labels(str(provider_account_id)).set(1)

    def resumed(self, provider_account_id: UUID) -> None:
        """Shows the account as going on."""
        self._metrics.account_paused.labels(str(provider_account_id)).set(0)

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        """Shows whether calls are held back."""
        self._metrics.breaker_open.labels(str(provider_account_id)).set(open_)
