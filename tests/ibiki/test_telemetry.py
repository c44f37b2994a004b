"""Traces go to the endpoint that is set, and nowhere where none is."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ibiki import telemetry

PROGRAM = """
import sys
from ibiki import telemetry

stop = telemetry.start(sys.argv[1], program="ibiki-test")
try:
    with telemetry.span("accept", messages=2):
        raise ValueError("no such number: +12025550143")
except ValueError:
    pass
stop()
"""


def test_a_span_reaches_the_endpoint_without_the_words_of_an_error() -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received.append((self.path, self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        subprocess.run([sys.executable, "-c", PROGRAM, address], check=True, timeout=60)
        server.shutdown()
        thread.join()
    ((path, body),) = received
    assert path == "/v1/traces"
    for word in (b"ibiki-test", b"accept", b"messages", b"ValueError"):
        assert word in body
    assert b"2025550143" not in body


def test_without_an_endpoint_nothing_happens_and_errors_pass_through() -> None:
    stop = telemetry.start(None, program="ibiki-test")
    with pytest.raises(ValueError, match="passed on"), telemetry.span("accept"):
        raise ValueError("passed on")
    stop()
