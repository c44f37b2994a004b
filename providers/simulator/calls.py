"""What the simulated providers are asked to send, what they answer, and their webhook calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from providers.simulator.behaviours import Behaviour, Callback

Endpoint = tuple[str, str]
"""Method and path."""

NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST_TEXT: Final = 5000


@dataclass(frozen=True, slots=True)
class RequestedMessage:
    """A message in a request. A value that is not a text becomes an empty one."""

    recipient: str
    text: str


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """One call: its URL, its headers and its body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


MakeCall = Callable[[str, str | None], WebhookCall]
"""Makes a call for the URL of a webhook and the secret that it expects."""


@dataclass(frozen=True, slots=True)
class PendingCallback:
    """A webhook call to be made for an accepted message."""

    callback: Callback
    make: MakeCall
    provider: str


@dataclass(frozen=True, slots=True)
class PlannedResponse:
    """The response to a call. `status` is None if the call gets no response."""

    behaviour: Behaviour
    status: int | None
    body: bytes = b""
    callbacks: tuple[PendingCallback, ...] = ()


def json_call(url: str, secret: str | None, body: Mapping[str, object]) -> WebhookCall:
    """A call with a JSON body, and the secret in a header."""
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers["X-Webhook-Secret"] = secret
    return WebhookCall(url, headers, orjson.dumps(body))
