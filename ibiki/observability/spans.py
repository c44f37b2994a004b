"""The spans of requests and provider calls, sent by OTLP over HTTP.

A span is created when its work has ended, so that no span stays open and no task inherits one.
Spans contain names, IDs and counts, but never a phone number, a text, a credential or a URL.
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

from domain import ids
from domain.ids import Kind

FLUSH_SECONDS = 3.0
"""How long the program waits at its end for the last spans to be sent."""

EXPORT_SECONDS = 5.0
SCHEDULE_MILLISECONDS = 1_000

Attributes = Mapping[str, str | int]

log = logging.getLogger("ibiki.traces")

_propagator = TraceContextTextMapPropagator()


class Traces:
    """Records spans of finished work."""

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
        """Records a request. `traceparent` is the caller's header, or empty."""
        self._record(
            name,
            SpanKind.SERVER,
            {"http.response.status_code": status, **attributes},
            seconds=seconds,
            parent=_propagator.extract({"traceparent": traceparent}, Context()),
            failure=f"answered with {status}" if status >= 500 else None,
        )

    def decided(self, sends: int, *, seconds: float) -> None:
        """Records a transaction that decided sends."""
        self._record("accept", SpanKind.INTERNAL, {"ibiki.sends": sends}, seconds=seconds)

    def called(self, provider_account_id: UUID, words: Sequence[str], *, seconds: float) -> None:
        """Records a call to a provider that sent messages, with the outcome of each as a word."""
        counts = {f"ibiki.{word}": words.count(word) for word in sorted(set(words))}
        account = {"ibiki.provider_account": ids.encode(Kind.PROVIDER_ACCOUNT, provider_account_id)}
        failure = "the outcome is unknown" if "ibiki.unknown" in counts else None
        self._record(
            "provider call",
            SpanKind.CLIENT,
            {"ibiki.messages": len(words), **counts, **account},
            seconds=seconds,
            failure=failure,
        )

    def flush(self) -> None:
        """Sends the recorded spans. Waits at most FLUSH_SECONDS."""
        # The library's shutdown takes 30 s and more if the collector does not answer.
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
            # Not the context of the running task: it may belong to other work.
            context=Context() if parent is None else parent,
            kind=kind,
            attributes=attributes,
            start_time=ended_at - int(seconds * 1e9),
        )
        if failure is not None:
            span.set_status(StatusCode.ERROR, failure)
        span.end(ended_at)


class OutageLoggingExporter(SpanExporter):
    """Logs once when spans are lost, and once when they arrive again.

    The library logs each attempt: three lines every five seconds while no collector answers.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._was_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends the spans and logs a change."""
        result = self._exporter.export(spans)
        is_failing = result is not SpanExportResult.SUCCESS
        if is_failing and not self._was_failing:
            log.warning("traces are lost: check that OTEL_EXPORTER_OTLP_ENDPOINT answers")
        if self._was_failing and not is_failing:
            log.info("traces arrive again")
        self._was_failing = is_failing
        return result

    def shutdown(self) -> None:
        """Shuts the wrapped exporter down."""
        self._exporter.shutdown()


def exporting_to(endpoint: str, *, program: str) -> TracerProvider:
    """Sends spans to the endpoint in the background. OTEL_TRACES_SAMPLER sets the sampling."""
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
