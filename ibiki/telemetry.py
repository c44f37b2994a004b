"""Traces, where OTEL_EXPORTER_OTLP_ENDPOINT says to whom; else nothing is loaded or recorded.

Spans carry names, ids and counts, never a number, a text or an address with its query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry import trace

_tracer = trace.get_tracer("ibiki")


def start(endpoint: str | None, *, program: str) -> Callable[[], None]:
    """Spans are sent to the OTLP endpoint from here on; call what is returned at the end."""
    if endpoint is None:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": program}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def span(name: str, **attributes: str | int | float | bool) -> Iterator[None]:
    """A span of that name around what is done within; an error in it marks it, unworded."""
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
