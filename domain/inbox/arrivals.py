"""An inbound message that has found its client, on its way into the client's inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.inbox.keywords import Wish
from domain.sending.sends import Line


class OptOutSource(StrEnum):
    """How it is known that a number is not to be written to."""

    KEYWORD = "KEYWORD"
    BLOCKED = "BLOCKED"
    PERSON = "PERSON"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One inbound message of one client. `id` is the event's; `number` is the sender's, E.164.

    `wish`: what it asks for by a keyword; `blocked`: the provider saw it ask.
    """

    id: UUID
    client_id: UUID
    number: str
    text: str
    created_at: datetime
    receiver: str | None = None
    line: Line | None = None
    name: str | None = None
    business: str | None = None
    wish: Wish | None = None
    blocked: bool = False

    @property
    def correspondence(self) -> tuple[UUID, str]:
        """Whose conversation it belongs to, and with which number."""
        return self.client_id, self.number

    @property
    def opts_out(self) -> OptOutSource | None:
        """How it asks not to be written to; None where it does not."""
        if self.blocked:
            return OptOutSource.BLOCKED
        return OptOutSource.KEYWORD if self.wish is Wish.STOP else None

    @property
    def opts_in(self) -> bool:
        """Whether it asks to be written to again."""
        return self.wish is Wish.START and not self.blocked


@dataclass(frozen=True, slots=True)
class OptOut:
    """A number that a client may not write to any more. `inbound_id`: the message that asked."""

    client_id: UUID
    number: str
    source: OptOutSource
    inbound_id: UUID | None = None
