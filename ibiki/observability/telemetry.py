"""The metrics and traces of one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from ibiki.observability.metrics import DispatchLog, Metrics, RequestMetrics
from ibiki.settings.settings import MonitoringSettings

if TYPE_CHECKING:
    from domain.provider import Outcome
    from ibiki.observability.spans import Traces


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The metrics and traces of one process. `traces` is None if no endpoint is configured."""

    metrics: Metrics = field(default_factory=Metrics)
    traces: Traces | None = None

    def for_requests(self) -> RequestMetrics:
        """The observer of API requests."""
        return (
            TracedRequests(self.metrics, self.traces)
            if self.traces
            else RequestMetrics(self.metrics)
        )

    def for_dispatch(self) -> DispatchLog:
        """The observer of the dispatchers."""
        return (
            TracedDispatch(self.metrics, self.traces) if self.traces else DispatchLog(self.metrics)
        )


@contextmanager
def running_telemetry(monitoring: MonitoringSettings, *, program: str) -> Iterator[Telemetry]:
    """The telemetry of a process, for as long as the process runs."""
    with tracing(monitoring.otlp_endpoint, program=program) as traces:
        yield Telemetry(Metrics(), traces)


@contextmanager
def tracing(endpoint: str | None, *, program: str) -> Iterator[Traces | None]:
    """Sends traces to the endpoint while the block runs. Yields None without an endpoint.

    At the end, it waits a few seconds for the remaining spans to be sent.
    """
    if endpoint is None:
        yield None
        return
    # Only imported if it is needed: OpenTelemetry takes long to import.
    from ibiki.observability.spans import Traces, exporting_to

    traces = Traces(exporting_to(endpoint, program=program))
    try:
        yield traces
    finally:
        traces.flush()


class TracedRequests(RequestMetrics):
    """Counts requests, and records a span of each transaction."""

    def __init__(self, metrics: Metrics, traces: Traces) -> None:
        super().__init__(metrics)
        self._traces = traces

    def decided(self, sends: int, *, seconds: float) -> None:
        super().decided(sends, seconds=seconds)
        self._traces.decided(sends, seconds=seconds)


class TracedDispatch(DispatchLog):
    """Counts and logs calls, and records a span of each."""

    def __init__(self, metrics: Metrics, traces: Traces) -> None:
        super().__init__(metrics)
        self._traces = traces

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        super().called(provider_account_id, outcomes, seconds=seconds)
        self._traces.called(provider_account_id, outcomes, seconds=seconds)
