"""The metrics and traces of one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibiki.observability.metrics import DispatchMetrics, Metrics, RequestMetrics

if TYPE_CHECKING:
    from ibiki.observability.spans import Traces


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The metrics and traces of one process. `traces` is None if no endpoint is configured."""

    metrics: Metrics
    traces: Traces | None

    def for_requests(self) -> RequestMetrics:
        """The observer of API requests."""
        return RequestMetrics(self.metrics, self.traces)

    def for_dispatch(self) -> DispatchMetrics:
        """The observer of the dispatchers."""
        return DispatchMetrics(self.metrics, self.traces)


@contextmanager
def running_telemetry(endpoint: str | None, *, program: str) -> Iterator[Telemetry]:
    """The telemetry of a process, while the block runs. Traces are sent to the endpoint.

    At the end, it waits a few seconds for the remaining spans to be sent.
    """
    if endpoint is None:
        yield Telemetry(Metrics(), None)
        return
    # Only imported if it is needed: OpenTelemetry takes long to import.
    from ibiki.observability.spans import Traces, exporting_to

    traces = Traces(exporting_to(endpoint, program=program))
    try:
        yield Telemetry(Metrics(), traces)
    finally:
        traces.flush()
