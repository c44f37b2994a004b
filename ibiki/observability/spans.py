"""The spans of requests and provider calls, sent by OTLP over HTTP.

A span is made when what it tells of has ended: nothing is kept open meanwhile, and no task inherits
it. Spans carry names, ids and counts; never a number, a text, a credential, or an address as asked.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from domain.outcomes import Outcome
from ibiki.observability.metrics import OUTCOME_WORDS

FLUSH_SECONDS = 3.0
"""How long the end of the program waits for the last spans to leave."""

EXPORT_SECONDS = 5.0
SCHEDULE_MILLISECONDS = 1_000

Attributes = Mapping[str, str | int]

log = logging.getLogger("ibiki.traces")

_propagator = TraceContextTextMapPropagator()


class Traces:
    """Records a span of whatever has ended."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("ibiki")

    def answered(
        self,
        name: str,
        *,
        status: int,
        seconds: float,
        traceparent: str,
        attributes: Attributes,
    ) -> None:
        """A request has been answered. `traceparent`: the caller's header, empty without one."""
        self._record(
            name,
            SpanKind.SERVER,
            {"http.response.status_code": status, **attributes},
            seconds=seconds,
            parent=_propagator.extract({"traceparent": traceparent}, Context()),
            failure=f"answered with {status}" if status >= 500 else None,
        )

    def decided(self, sends: int, *, seconds: float) -> None:
        """Sends have been decided in one transaction."""
        self._record("accept", SpanKind.INTERNAL, {"ibiki.sends": sends}, seconds=seconds)

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """A provider has been called to hand messages over."""
        words = [OUTCOME_WORDS[type(outcome)] for outcome in outcomes]
        counts = {f"ibiki.{word}": words.count(word) for word in sorted(set(words))}
        account = {"ibiki.provider_account": str(provider_account_id)}
        failure = "nobody knows what became of it" if "ibiki.unknown" in counts else None
        self._record(
            "hand over",
            SpanKind.CLIENT,
            {"ibiki.messages": len(words), **counts, **account},
            seconds=seconds,
            failure=failure,
        )

    def flush(self) -> None:
        """What has been recorded is sent, or has been waited for long enough."""
        # The library's own end takes 30 s and more while the collector is away.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)

    def _record(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        *,
        seconds: float,
        parent: Context | None = None,
        failure: str | None = None,
    ) -> None:
        ended_at = time.time_ns()
        span = self._tracer.start_span(
            name,
            # Never the context of whoever happens to run: what is told of has ended.
            context=Context() if parent is None else parent,
            kind=kind,
            attributes=attributes,
            start_time=ended_at - int(seconds * 1e9),
        )
        if failure is not None:
            span.set_status(StatusCode.ERROR, failure)
        span.end(ended_at)


class OutageLoggingExporter(SpanExporter):
    """Says once that spans are lost, and once that they are not any more.

    The library says each try: three lines every five seconds, for as long as a collector is away.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._loses = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Whether they were sent."""
        result = self._exporter.export(spans)
        loses = result is not SpanExportResult.SUCCESS
        if loses and not self._loses:
            log.warning("traces are lost: see that OTEL_EXPORTER_OTLP_ENDPOINT answers")
        if self._loses and not loses:
            log.info("traces arrive again")
        self._loses = loses
        return result

    def shutdown(self) -> None:
        """Sends nothing more."""
        self._exporter.shutdown()


def exporting_to(endpoint: str, *, program: str) -> TracerProvider:
    """Sends spans to the endpoint in the background; the sampler is the environment's."""
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS
    )
    provider = TracerProvider(
        resource=Resource.create({"service.name": program}), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            OutageLoggingExporter(exporter), schedule_delay_millis=SCHEDULE_MILLISECONDS
        )
    )
    return provider
