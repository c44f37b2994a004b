"""A transport that gives prepared answers, and keeps the requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from multidict import CIMultiDict

from domain.provider import Outcome, Outgoing, Unknown
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from providers.transport import Answer, Exchange

ID = "652f1c0d9e8b7a6655443322"
OTHER_ID = "652f1c0d9e8b7a6655443323"
HTML = b"<!DOCTYPE html><html><body>Not here</body></html>"
ONE = Outgoing("+12025550100", "Hello")
TWO = Outgoing("+12025550101", "Hello")
TWO_OTHERWISE = Outgoing("+12025550101", "Good day")
UNKNOWN = "unknown"  # an Unknown of any reason

CONFIG = ProviderConfig(base_url="http://127.0.0.1:1", api_key="not-to-be-seen", loopback_only=True)


@dataclass
class Asked:
    """One request as the adapter made it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: object


@dataclass
class ScriptedTransport:
    """Gives the same exchange to every request."""

    exchange: Exchange
    asked: list[Asked] = field(default_factory=list)

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Exchange:
        self.asked.append(Asked(method, path, headers, None if body is None else _read(body)))
        return self.exchange

    async def close(self) -> None:
        self.asked.clear()


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


def account(exchange: Exchange) -> ExtremeSMS:
    """An account whose every call ends in this exchange."""
    return ExtremeSMS(CONFIG, ScriptedTransport(exchange))


def agrees(outcome: Outcome, expected: str | Outcome) -> bool:
    if expected == UNKNOWN:
        return isinstance(outcome, Unknown) and bool(outcome.reason)
    return outcome == expected
