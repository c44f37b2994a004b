"""What providers call us with: the words of inbound messages, delivery reports and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeAlias
from uuid import UUID

from domain.outcomes import Verdict
from domain.sending.sends import Line

LARGEST_BODY = 64 * 1024
"""Bytes of one event."""


class WebhookOutcome(StrEnum):
    """What became of an event."""

    ROUTED = "ROUTED"
    UNROUTED = "UNROUTED"
    DUPLICATE = "DUPLICATE"
    REFUSED = "REFUSED"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class InboundCall:
    """A message from a phone, as a provider tells of it; numbers are as given.

    `key`: the provider's own id of it. `blocked`: the phone asked not to be written to, and the
    provider saw it.
    """

    sender: str
    text: str
    key: str | None = None
    receiver: str | None = None
    line: Line | None = None
    name: str | None = None
    business: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class ReportCall:
    """A delivery report. `number`: whose message it is, where one reference covers several.

    `verdict`: None for a word that is not known here; `word` is what was said.
    """

    reference: str
    word: str
    verdict: Verdict | None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not what this provider sends: why, in a plain sentence."""

    reason: str


Parsed: TypeAlias = InboundCall | ReportCall | Malformed
Parser: TypeAlias = Callable[[bytes], Parsed]
"""Reads one body. Never raises."""
Parsers: TypeAlias = Mapping[str, Parser]
"""The parser of each provider that may call."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is to be stored. `invalid`: why it cannot be received."""

    id: UUID
    provider: str
    key: bytes
    body: bytes
    invalid: str | None = None


@dataclass(frozen=True, slots=True)
class DueEvent:
    """A stored event that is to be received, under lock. `tries`: how often it was put off."""

    id: UUID
    provider: str
    body: bytes
    received_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of an event. `due_in_seconds`: it is to be received again then."""

    event_id: UUID
    outcome: WebhookOutcome
    reason: str
    client_id: UUID | None = None
    inbound_id: UUID | None = None
    line: Line | None = None
    due_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An event as the operator sees it. `times`: how often, for refusals told together."""

    id: UUID
    received_at: datetime
    provider: str
    outcome: WebhookOutcome
    reason: str
    client_id: UUID | None
    inbound_id: UUID | None
    modem: str | None
    port: str | None
    payload: Any
    updated_at: datetime
    times: int = 1


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """Whether events still arrive, and what became of them lately."""

    last_event: WebhookEvent | None
    last_routed_client_id: UUID | None
    events_last_hour: int
    unrouted: int
    refused_last_hour: int


def key_of(provider: str, parsed: Parsed, body: bytes) -> bytes:
    """What a second telling of the same has too: the provider's id, else a hash of the whole."""
    match parsed:
        case InboundCall(key=str(own)):
            said = ["inbound", own]
        case ReportCall(reference, word, number=number):
            said = ["report", reference, number or "", word]
        case _:
            return sha256(provider.encode() + b"\0\0" + body).digest()
    return sha256("\0".join([provider, *said]).encode()).digest()
