"""What one process is watched with: its metrics, and its traces where they go somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from ibiki.observability.alarms import HandoverAlarms
from ibiki.observability.metrics import Metrics, RequestMetrics
from ibiki.observability.telemetry import tracing
from ibiki.settings.settings import Watching

if TYPE_CHECKING:
    from domain.outcomes import Outcome
    from ibiki.observability.spans import Traces


@dataclass(frozen=True, slots=True)
class Instruments:
    """The metrics and traces of one process. `traces`: None where they go nowhere."""

    metrics: Metrics = field(default_factory=Metrics)
    traces: Traces | None = None

    def of_requests(self) -> RequestMetrics:
        """Who is told of what requests come to."""
        return (
            TracedRequests(self.metrics, self.traces)
            if self.traces
            else RequestMetrics(self.metrics)
        )

    def of_handover(self) -> HandoverAlarms:
        """Who is told of what handing over comes to."""
        return (
            TracedHandover(self.metrics, self.traces)
            if self.traces
            else HandoverAlarms(self.metrics)
        )


@contextmanager
def instruments(watching: Watching, *, program: str) -> Iterator[Instruments]:
    """What a process is watched with for as long as it runs."""
    with tracing(watching.otlp_endpoint, program=program) as traces:
        yield Instruments(Metrics(), traces)


class TracedRequests(RequestMetrics):
    """Counts, and records a span of each transaction."""

    def __init__(self, metrics: Metrics, traces: Traces) -> None:
        super().__init__(metrics)
        self._traces = traces

    def decided(self, sends: int, *, seconds: float) -> None:
        """Counts and records the transaction."""
        super().decided(sends, seconds=seconds)
        self._traces.decided(sends, seconds=seconds)


class TracedHandover(HandoverAlarms):
    """Counts and warns, and records a span of each call."""

    def __init__(self, metrics: Metrics, traces: Traces) -> None:
        super().__init__(metrics)
        self._traces = traces

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """Counts and records the call."""
        super().called(provider_account_id, outcomes, seconds=seconds)
        self._traces.called(provider_account_id, outcomes, seconds=seconds)
