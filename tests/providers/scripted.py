"""A transport that gives prepared answers, and keeps the requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest
from multidict import CIMultiDict

from domain.provider import NotSent, Outcome, OutgoingMessage, Unknown
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from providers.transport import Answer, Exchange

ID = "652f1c0d9e8b7a6655443322"
OTHER_ID = "652f1c0d9e8b7a6655443323"
HTML = b"<!DOCTYPE html><html><body>Not here</body></html>"
ONE = OutgoingMessage("+12025550100", "Hello")
TWO = OutgoingMessage("+12025550101", "Hello")
TWO_OTHERWISE = OutgoingMessage("+12025550101", "Good day")
UNKNOWN = "unknown"  # an Unknown of any reason
WAIT = NotSent("The network asked to wait.", asks_to_wait=True)

Case = tuple[str, Exchange, str | Outcome]
"""A name, what becomes of a request, and the outcome of its message."""

CONFIG = ProviderConfig(base_url="http://127.0.0.1:1", api_key="not-to-be-seen", loopback_only=True)


@dataclass
class MadeRequest:
    """One request as the adapter made it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: object


@dataclass
class ScriptedTransport:
    """Gives the same exchange to every request."""

    exchange: Exchange
    requests: list[MadeRequest] = field(default_factory=list)

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Exchange:
        is_text = headers.get("Content-Type", "").startswith("text/plain")
        read = body if body is None or is_text else _read(body)
        self.requests.append(MadeRequest(method, path, headers, read))
        return self.exchange

    async def close(self) -> None:
        self.requests.clear()


def _read(body: bytes) -> object:
    """A JSON body, or the fields of a form."""
    try:
        return json.loads(body)
    except ValueError:
        return dict(parse_qsl(body.decode(), strict_parsing=True))


def answer(status: int, body: object = b"", **headers: str) -> Answer:
    """An answer; anything but bytes is written as JSON, an underscore in a header as a dash."""
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Answer(status, named, body if isinstance(body, bytes) else json.dumps(body).encode())


COMMON: list[Case] = [
    ("a connection that was never made", NotSent("Refused."), NotSent("Refused.")),
    ("no answer before the deadline", Unknown("No response."), UNKNOWN),
    ("204", answer(204), UNKNOWN),
    ("a redirect", answer(302, b"", Location="http://127.0.0.1/"), UNKNOWN),
    ("404 in HTML", answer(404, HTML), UNKNOWN),
    ("500 in HTML", answer(500, HTML), UNKNOWN),
    ("502 in HTML", answer(502, HTML), UNKNOWN),
    ("503 in HTML", answer(503, HTML), UNKNOWN),
    ("503 in HTML with a wait", answer(503, HTML, Retry_After="7"), UNKNOWN),
    ("504", answer(504), UNKNOWN),
]
"""Exchanges that mean the same for every provider."""


def nonsense(status: int, accepted: object = None) -> list[Case]:
    """Bodies that do not say whether a message was accepted. `accepted`: a body that does."""
    bodies = {
        "in HTML": HTML,
        "with nothing": b"",
        "with a list": [accepted],
        "with null": None,
        "with a number": 1701,
        "with JSON 100,000 deep": b"[" * 100_000,
        "with bytes that are not a text": b"\xff\x00\x81",
    }
    return [(f"{status} {name}", answer(status, body), UNKNOWN) for name, body in bodies.items()]


def each(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """A test with an `exchange` and an `expected` outcome for each case."""
    params = [pytest.param(exchange, expected, id=name) for name, exchange, expected in cases]
    return pytest.mark.parametrize(("exchange", "expected"), params)


def account(exchange: Exchange) -> ExtremeSMS:
    """An account whose every call ends in this exchange."""
    return ExtremeSMS(CONFIG, ScriptedTransport(exchange))


def agrees(outcome: Outcome, expected: str | Outcome) -> bool:
    if expected == UNKNOWN:
        return isinstance(outcome, Unknown) and bool(outcome.reason)
    return outcome == expected
