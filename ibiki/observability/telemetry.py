"""Traces, where OTEL_EXPORTER_OTLP_ENDPOINT says to whom; else nothing is loaded or recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibiki.observability.spans import Traces


@contextmanager
def tracing(endpoint: str | None, *, program: str) -> Iterator[Traces | None]:
    """Where spans go for as long as the program runs, None where they go nowhere.

    What is left in the end is sent, for a few seconds at the most.
    """
    if endpoint is None:
        yield None
        return
    from ibiki.observability.spans import Traces, exporting_to

    traces = Traces(exporting_to(endpoint, program=program))
    try:
        yield traces
    finally:
        traces.flush()
