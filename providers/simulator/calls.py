"""What the simulated providers answer, and the webhook calls that follow, in the format of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from providers.simulator.behaviours import Behaviour, Callback


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


def json_call(body: Mapping[str, object]) -> MakeCall:
    """A call with a JSON body, and the secret in a header."""

    def make(url: str, secret: str | None) -> WebhookCall:
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            headers["X-Webhook-Secret"] = secret
        return WebhookCall(url, headers, orjson.dumps(body))

    return make
