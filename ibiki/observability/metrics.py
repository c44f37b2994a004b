"""The metrics of a process, for Prometheus, and the log of dispatching.

Each process shows its own figures at /metrics; Prometheus sums them. A label never contains a
client, a phone number or a text.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

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

from domain import ids
from domain.dispatch.rules import Observer
from domain.errors import units_in_words
from domain.hooks.deliveries import Recorded
from domain.hooks.worker import HookObserver
from domain.ids import Kind
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.acceptor import RequestObserver
from domain.sending.messages import SendKind
from ibiki.observability.backlog import NOT_KNOWN, BacklogMetrics
from persistence import long_reads

if TYPE_CHECKING:
    from ibiki.observability.spans import Traces

CONTENT_TYPE = CONTENT_TYPE_LATEST
log = logging.getLogger("ibiki.dispatch")

OUTCOME_WORDS = {
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
        self._answered: dict[tuple[str, str, int], Counter] = {}
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
            "accept_seconds", "From the request to send until it is durable.", _QUICK_SECONDS
        )
        self.accept_batch_size = self._histogram(
            "accept_batch_size", "Sends that one transaction accepts or rejects.", _BATCH_SIZES
        )
        self.accept_batch_seconds = self._histogram(
            "accept_batch_seconds", "How long such a transaction takes.", _QUICK_SECONDS
        )
        self.accepts_waiting = self._gauge("accepts_waiting", "Sends waiting for a transaction.")
        self.backlog = BacklogMetrics(self.registry)
        self.calls = self._counter(
            "provider_calls", "Calls that submit messages to a provider.", "provider_account"
        )
        self.call_seconds = self._histogram(
            "provider_call_seconds", "How long a call to a provider takes.", _CALL_SECONDS
        )
        self.outcomes = self._counter(
            "message_outcomes",
            "Outcomes of calls, by message.",
            "provider_account",
            "outcome",
        )
        self.swept = self._counter("messages_swept", "Messages made UNKNOWN after their lease.")
        self.breaker_open = self._gauge(
            "breaker_open", "1 while the circuit breaker is open.", "provider_account"
        )
        self.webhook_events = self._counter(
            "webhook_events", "Webhook calls of providers, by outcome.", "provider", "outcome"
        )
        self.hook_attempts = self._counter(
            "hook_attempts", "Posts to webhook endpoints of clients, by what follows.", "status"
        )
        self.hook_seconds = self._histogram(
            "hook_seconds", "How long such a post takes.", _QUICK_SECONDS
        )
        self.sockets = self._gauge("sockets", "Open WebSockets.")
        self.settings_differ = self._gauge(
            "settings_differ", "1 while another process has another value.", "setting"
        )
        self.clock_ahead = self._gauge(
            "clock_ahead_seconds", "How far this machine's clock is ahead of the database's."
        )
        self.replica_up = self._gauge(
            "replica_up", "1 while DATABASE_READ_URL is read from, 0 if not, NaN if not set."
        )
        self.replica_up.set_function(_replica_up)
        self.replica_lag = self._gauge(
            "replica_lag_seconds", "How far DATABASE_READ_URL is behind. NaN if not known."
        )
        self.replica_lag.set_function(_replica_lag_seconds)

    def answered(self, method: str, route: str, status: int) -> None:
        """Counts a request. Labels are looked up once for each combination: this is a hot path."""
        key = (method, route, status)
        counter = self._answered.get(key)
        if counter is None:
            counter = self._answered[key] = self.http_requests.labels(method, route, str(status))
        counter.inc()

    def exposition(self) -> bytes:
        """All metrics in the format of Prometheus (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"ibiki_{name}", help, labels, registry=self.registry)

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return Gauge(f"ibiki_{name}", help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"ibiki_{name}", help, registry=self.registry, buckets=buckets)


def _replica_up() -> float:
    replica = long_reads.replica()
    return NOT_KNOWN if replica is None else float(replica.is_up)


def _replica_lag_seconds() -> float:
    replica = long_reads.replica()
    lag_seconds = None if replica is None else replica.lag_seconds
    return NOT_KNOWN if lag_seconds is None else lag_seconds


class RequestMetrics(RequestObserver):
    """Counts accepted and refused requests. Labels are looked up once: this is a hot path."""

    def __init__(self, metrics: Metrics, traces: Traces | None = None) -> None:
        self._metrics = metrics
        self._traces = traces
        self._accepted = {
            kind: (
                metrics.sends_accepted.labels(kind.value.lower()),
                metrics.messages_accepted.labels(kind.value.lower()),
            )
            for kind in SendKind
        }

    def accepted(self, kind: SendKind, messages: int, *, seconds: float) -> None:
        """Counts the send, its messages and the time to accept it."""
        sends_of_kind, messages_of_kind = self._accepted[kind]
        sends_of_kind.inc()
        messages_of_kind.inc(messages)
        self._metrics.accept_seconds.observe(seconds)

    def decided(self, sends: int, *, seconds: float) -> None:
        """Counts the transaction."""
        self._metrics.accept_batch_size.observe(sends)
        self._metrics.accept_batch_seconds.observe(seconds)
        if self._traces is not None:
            self._traces.decided(sends, seconds=seconds)

    def refused(self, operation: str, refusal: str) -> None:
        """Counts the refusal."""
        self._metrics.refusals.labels(operation, refusal).inc()


class HookMetrics(HookObserver):
    """Counts the deliveries of client webhooks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def attempted(self, result: Recorded) -> None:
        """Counts the attempt and its duration."""
        self._metrics.hook_attempts.labels(result.status.value.lower()).inc()
        self._metrics.hook_seconds.observe(result.answer.duration_seconds)


class DispatchMetrics(Observer):
    """Counts all events of the dispatchers, and logs those that need attention."""

    def __init__(self, metrics: Metrics, traces: Traces | None = None) -> None:
        self._metrics = metrics
        self._traces = traces
        self._unclear: dict[UUID, str] = {}

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """Counts the call, its duration and the outcome of each message."""
        account = ids.encode(Kind.PROVIDER_ACCOUNT, provider_account_id)
        self._metrics.calls.labels(account).inc()
        self._metrics.call_seconds.observe(seconds)
        words = [OUTCOME_WORDS[type(outcome)] for outcome in outcomes]
        for word in words:
            self._metrics.outcomes.labels(account, word).inc()
        if self._traces is not None:
            self._traces.called(provider_account_id, words, seconds=seconds)
        for outcome in outcomes:
            if isinstance(outcome, NotSent | Unknown):
                self._unclear[provider_account_id] = outcome.reason
        unknown = [outcome for outcome in outcomes if isinstance(outcome, Unknown)]
        if unknown:
            log.warning(
                "%s of a call with %d %s UNKNOWN: %s",
                units_in_words(len(unknown), "message"),
                len(outcomes),
                "is" if len(unknown) == 1 else "are",
                unknown[0].reason,
                extra={"provider_account": account},
            )

    def swept(self, messages: int) -> None:
        """Counts the messages that became UNKNOWN because their lease ended."""
        self._metrics.swept.inc(messages)
        if messages:
            were = "is UNKNOWN: its" if messages == 1 else "are UNKNOWN: their"
            log.warning(
                "%s %s lease ended during the call", units_in_words(messages, "message"), were
            )

    def paused(self, provider_account_id: UUID, reason: str) -> None:
        """Logs an error: messages wait until the operator solves the problem."""
        log.error(
            "the provider rejects our account, messages wait: %s",
            reason,
            extra={"provider_account": ids.encode(Kind.PROVIDER_ACCOUNT, provider_account_id)},
        )

    def resumed(self, provider_account_id: UUID) -> None:
        """Logs that the provider accepts messages again."""
        log.info(
            "the provider accepts messages again",
            extra={"provider_account": ids.encode(Kind.PROVIDER_ACCOUNT, provider_account_id)},
        )

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        """Shows whether the circuit breaker is open."""
        self._metrics.breaker_open.labels(
            ids.encode(Kind.PROVIDER_ACCOUNT, provider_account_id)
        ).set(open_)
        extra = {"provider_account": ids.encode(Kind.PROVIDER_ACCOUNT, provider_account_id)}
        if open_:
            reason = self._unclear.get(provider_account_id, "")
            log.warning(
                "the circuit breaker is open, calls got no clear answer: %s", reason, extra=extra
            )
        else:
            log.info("the circuit breaker is closed: calls continue", extra=extra)
