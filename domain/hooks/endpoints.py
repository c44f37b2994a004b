"""The webhook endpoints of clients, and the log of their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.hooks.deliveries import DeliveryStatus, EventType, HookRules


class EndpointStatus(StrEnum):
    """How an endpoint answers."""

    ACTIVE = "ACTIVE"
    RETRYING = "RETRYING"
    FAILING = "FAILING"
    PAUSED = "PAUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL that the events of a client are posted to.

    `failing_since`: the first of the failed attempts in a row; None after a success.
    `seen_at`: when this was read.
    """

    id: UUID
    client_id: UUID
    url: str
    description: str | None
    events: Sequence[EventType]
    created_at: datetime
    failing_since: datetime | None
    succeeded_at: datetime | None
    paused_at: datetime | None
    pause_reason: str | None
    previous_until: datetime | None
    seen_at: datetime

    @property
    def old_secret_until(self) -> datetime | None:
        """When the previous secret stops signing. None if it does not sign."""
        until = self.previous_until
        return until if until is not None and until > self.seen_at else None

    @property
    def status(self) -> EndpointStatus:
        """How it answers now."""
        if self.paused_at is not None:
            return EndpointStatus.PAUSED
        if self.failing_since is None:
            return EndpointStatus.ACTIVE
        given_up = timedelta(seconds=HookRules().give_up_seconds)
        is_failing = self.seen_at - self.failing_since >= given_up
        return EndpointStatus.FAILING if is_failing else EndpointStatus.RETRYING


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event for one endpoint, as the log shows it. `answer`: its first 1,024 characters.

    `url`: of a status callback; None for that of the endpoint.
    """

    id: UUID
    endpoint_id: UUID
    client_id: UUID
    event_id: UUID
    type: EventType
    subject: UUID
    url: str | None
    status: DeliveryStatus
    attempts: int
    occurred_at: datetime
    created_at: datetime
    attempted_at: datetime | None
    due_at: datetime
    duration_ms: int | None
    answer_status: int | None
    answer: str | None
    error: str | None

    @property
    def next_attempt_at(self) -> datetime | None:
        """When it is posted again. None if it is done."""
        return self.due_at if self.status is DeliveryStatus.PENDING else None


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with its new secret, which cannot be shown again."""

    endpoint: Endpoint
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What to change. None keeps a value. `description`: an empty one clears it."""

    url: str | None = None
    events: Sequence[EventType] | None = None
    description: str | None = None
    paused: bool | None = None
