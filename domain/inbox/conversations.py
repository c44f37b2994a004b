"""What a client has received, and the conversations that grow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.direction import Direction
from domain.sending.sends import Line, Message


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message from a phone, as it stands in its client's inbox. `feed`: its number there."""

    id: UUID
    client_id: UUID
    number: str
    text: str
    modem: str | None
    port: str | None
    feed: int
    created_at: datetime

    @property
    def direction(self) -> Direction:
        """From a client's contact."""
        return Direction.INBOUND

    @property
    def send_id(self) -> None:
        """No send made it."""

    @property
    def status(self) -> None:
        """It has arrived: there is nothing to follow."""

    @property
    def failure(self) -> None:
        """Nothing failed."""

    @property
    def is_reply(self) -> bool:
        """A reply is a client's own answer."""
        return False

    @property
    def updated_at(self) -> datetime:
        """It never changes."""
        return self.created_at

    @property
    def line(self) -> Line | None:
        """Where it came in."""
        return _line(self.modem, self.port)


AnyMessage = Message | InboundMessage
"""Either direction."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A client and a number that has written to it. Inboxes are ordered by the last message."""

    id: UUID
    client_id: UUID
    number: str
    unread: int
    last_message_id: UUID
    last_inbound_id: UUID
    modem: str | None
    port: str | None
    updated_at: datetime

    @property
    def line(self) -> Line | None:
        """Where its last inbound came in; None where the provider did not say."""
        return _line(self.modem, self.port)

    @property
    def pinned(self) -> bool:
        """Whether a reply would leave through the line that the last inbound came in on."""
        return self.line is not None


@dataclass(frozen=True, slots=True)
class ModemRoute:
    """A line that belongs to a client: learned from what came in, or set by hand."""

    id: UUID
    client_id: UUID
    modem: str
    port: str
    assigned_numbers: tuple[str, ...]
    learned: bool
    last_seen_at: datetime | None

    @property
    def line(self) -> Line:
        """The modem and the port."""
        return Line(self.modem, self.port)


def _line(modem: str | None, port: str | None) -> Line | None:
    return None if modem is None or port is None else Line(modem, port)
