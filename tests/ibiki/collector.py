"""A collector of traces on loopback. It receives OTLP over HTTP and stores the requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """The received requests. They are answered when `may_answer` is set."""

    address: str = ""
    bodies: list[bytes] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    may_answer: threading.Event = field(default_factory=threading.Event)

    @property
    def everything(self) -> bytes:
        """All received bytes."""
        return b"".join(self.bodies)

    def spans(self) -> list[Span]:
        """All received spans."""
        return [
            span
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Span]:
        """The spans with this name."""
        return [span for span in self.spans() if span.name == name]


def attributes(span: Span) -> dict[str, str | int]:
    """A span's attributes, by name."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@contextmanager
def collecting(*, hangs: bool = False) -> Iterator[Collector]:
    """Runs a collector. `hangs`: it never answers."""
    collector = Collector()
    if not hangs:
        collector.may_answer.set()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.paths.add(self.path)
            collector.bodies.append(body)
            collector.may_answer.wait(60)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        collector.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            collector.may_answer.set()
            server.shutdown()
            thread.join()
