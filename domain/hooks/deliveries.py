"""Client webhooks: events, the deliveries of an event, and what follows from an answer.

An endpoint is a URL of a client. A delivery is one event for one endpoint. It is written by the
transaction that causes the event, and posted by a worker until the endpoint answers with 2xx.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.loops import backoff_seconds

STANDARD = "standard"
"""The format of endpoints: JSON, signed according to Standard Webhooks."""

GONE = 410
MOST_ANSWER_CHARACTERS = 1024
PAUSED_AS_GONE = "The endpoint answered 410 (Gone)."


class EventType(StrEnum):
    """What an event is about."""

    MESSAGE_UPDATED = "message.updated"
    MESSAGE_RECEIVED = "message.received"
    SEND_FINISHED = "send.finished"
    BALANCE_LOW = "balance.low"
    OPTOUT_CHANGED = "optout.changed"
    WEBHOOK_TEST = "webhook.test"


class DeliveryStatus(StrEnum):
    """The state of a delivery."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRules:
    """How deliveries are made and repeated.

    `at_once`: requests of one process at the same time; at most `slow_at_once` of them are to
    endpoints that are slow, failing or new. `endpoint_at_once`: to one endpoint. `lease_seconds`:
    how long a worker that died keeps an endpoint; longer than a request may take.
    """

    at_once: int = 500
    slow_at_once: int = 100
    endpoint_at_once: int = 16
    deadline_seconds: float = 5
    slow_seconds: float = 1
    lease_seconds: float = 15
    retry_first_seconds: float = 2
    retry_longest_seconds: float = 3600
    endpoint_longest_seconds: float = 600
    give_up_seconds: float = 24 * 3600
    pause_seconds: float = 3 * 24 * 3600
    kept_seconds: float = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """A delivery that may be posted now, with the settings and state of its endpoint.

    `position`: later events of one subject have higher ones. `occurred_at`: of the event.
    `age_seconds`: of the delivery. `secrets`: encrypted, the newest first; empty for callbacks that
    another secret signs. `endpoint_failures`: failed attempts in a row. `is_proven`: the endpoint
    has answered before.
    """

    id: UUID
    position: int
    endpoint_id: UUID
    client_id: UUID
    event_id: UUID
    type: EventType
    subject: UUID
    facts: Mapping[str, Any]
    occurred_at: datetime
    age_seconds: float
    attempts: int
    url: str
    format: str
    secrets: Sequence[bytes]
    endpoint_failures: int
    is_proven: bool
    is_callback: bool


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request as it is posted. The body is signed: do not change it."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """The answer to a request. `status`: None without a complete answer; `error` says why.

    `body`: the beginning of the answer. `retry_after_seconds`: what the endpoint asks for. `ours`:
    nothing was posted, because of a failure on our side. `is_final`: no attempt can succeed.
    """

    status: int | None
    body: str = ""
    error: str | None = None
    duration_seconds: float = 0
    retry_after_seconds: float | None = None
    ours: bool = False
    is_final: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the event was received."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Recorded:
    """One attempt as it is recorded. `due_in_seconds`: until the next one if still PENDING.

    `counts`: whether it changes what is known about the endpoint. `pause_reason`: why the
    endpoint is paused; None if it is not.
    """

    delivery: DueDelivery
    answer: HookAnswer
    status: DeliveryStatus
    due_in_seconds: float | None = None
    counts: bool = True
    pause_reason: str | None = None


def recorded(
    delivery: DueDelivery, answer: HookAnswer, rules: HookRules, *, counts: bool = True
) -> Recorded:
    """The state after an answer: delivered, to be repeated later, or failed."""
    if answer.is_success:
        return Recorded(delivery, answer, DeliveryStatus.DELIVERED, counts=counts)
    if answer.status == GONE and not delivery.is_callback:
        return Recorded(
            delivery, answer, DeliveryStatus.FAILED, counts=counts, pause_reason=PAUSED_AS_GONE
        )
    wait = backoff_seconds(
        delivery.attempts + 1,
        first_seconds=rules.retry_first_seconds,
        longest_seconds=rules.retry_longest_seconds,
    )
    if answer.retry_after_seconds is not None:
        wait = min(max(wait, answer.retry_after_seconds), rules.retry_longest_seconds)
    if answer.is_final or delivery.age_seconds + wait > rules.give_up_seconds:
        return Recorded(delivery, answer, DeliveryStatus.FAILED, counts=counts)
    return Recorded(delivery, answer, DeliveryStatus.PENDING, wait, counts=counts)
