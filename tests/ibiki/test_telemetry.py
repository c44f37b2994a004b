"""Traces are sent to the configured endpoint, and nothing is sent without one."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from domain import ids
from domain.ids import Kind
from ibiki.observability.spans import OutageLoggingExporter
from ibiki.observability.telemetry import running_telemetry
from tests.ibiki.collector import attributes, collecting

ACCOUNT = UUID(int=7)
NAMED = ids.encode(Kind.PROVIDER_ACCOUNT, ACCOUNT)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_without_an_endpoint_opentelemetry_is_not_imported() -> None:
    program = """
import sys
import ibiki.all_in_one, ibiki.cli.commands
from ibiki.observability.telemetry import running_telemetry
with running_telemetry(None, program="ibiki-test") as telemetry:
    assert telemetry.traces is None
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=200)


def test_recorded_spans_are_sent_at_the_end() -> None:
    with collecting() as collector:
        with running_telemetry(f"{collector.address}/", program="ibiki-test") as telemetry:
            traces = telemetry.traces
            assert traces is not None
            traces.called(ACCOUNT, ["accepted", "rejected", "unknown"], seconds=0.5)
            traces.decided(7, seconds=0.25)
        (call,) = collector.named("provider call")
        (accept,) = collector.named("accept")
    assert collector.paths == {"/v1/traces"}
    assert b"ibiki-test" in collector.everything
    assert attributes(call) == {
        "ibiki.messages": 3,
        "ibiki.accepted": 1,
        "ibiki.rejected": 1,
        "ibiki.unknown": 1,
        "ibiki.provider_account": NAMED,
    }
    assert call.status.code == call.status.STATUS_CODE_ERROR
    assert call.end_time_unix_nano - call.start_time_unix_nano == 500_000_000
    assert attributes(accept) == {"ibiki.sends": 7}
    assert b"2025550143" not in collector.everything


def test_a_request_joins_the_trace_of_its_caller() -> None:
    with collecting() as collector:
        with running_telemetry(collector.address, program="ibiki-test") as telemetry:
            traces = telemetry.traces
            assert traces is not None
            for parent, status in ((PARENT, 200), ("", 503), ("nonsense", 200)):
                traces.answered(
                    "POST /graphql", status=status, seconds=0.1, traceparent=parent, attributes={}
                )
        first, second, third = sorted(
            collector.named("POST /graphql"), key=lambda span: span.end_time_unix_nano
        )
    assert first.trace_id.hex() == PARENT.split("-")[1]
    assert first.parent_span_id.hex() == PARENT.split("-")[2]
    assert first.status.code == first.status.STATUS_CODE_UNSET
    assert second.status.code == second.status.STATUS_CODE_ERROR
    assert [second.parent_span_id, third.parent_span_id] == [b"", b""]


def test_a_hanging_collector_delays_the_end_by_a_few_seconds_only() -> None:
    with collecting(hangs=True) as collector:
        with running_telemetry(collector.address, program="ibiki-test") as telemetry:
            traces = telemetry.traces
            assert traces is not None
            traces.decided(1, seconds=0.1)
            begun_at = time.monotonic()
        assert time.monotonic() - begun_at < 10


@dataclass
class FakeExporter(SpanExporter):
    """Returns the given results."""

    results: list[SpanExportResult]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.results.pop(0)


def test_lost_spans_are_logged_once_and_their_recovery_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost, sent = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    exporter = OutageLoggingExporter(FakeExporter([sent, lost, lost, lost, sent, sent]))
    with caplog.at_level(logging.INFO, logger="ibiki.traces"):
        for _ in range(6):
            exporter.export([])
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "traces are lost: check that OTEL_EXPORTER_OTLP_ENDPOINT answers",
        "traces arrive again",
    ]
