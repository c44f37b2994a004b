"""The webhook calls of the simulated providers, in the format of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """One call: its URL, its headers and its body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


MakeCall = Callable[[str, str | None], WebhookCall]
"""Makes a call for the URL of a webhook and the secret that it expects."""


def json_call(body: Mapping[str, object]) -> MakeCall:
    """A call with a JSON body, and the secret in a header."""

    def make(url: str, secret: str | None) -> WebhookCall:
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            headers["X-Webhook-Secret"] = secret
        return WebhookCall(url, headers, orjson.dumps(body))

    return make
