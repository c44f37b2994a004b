"""Webhook calls that a provider signs in a way of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A webhook call. `url`: as the provider called it. Names of headers have no case."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """How a provider signs.

    `header`: has the signature. `key`: the name of the account's secret that makes it. `check`:
    whether a call is signed with this secret; it never raises.
    """

    header: str
    key: str
    check: Callable[[SignedCall, str], bool]


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What a provider expects as the answer to a call that was received."""

    media_type: str
    body: bytes
