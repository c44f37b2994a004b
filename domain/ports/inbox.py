"""What receiving needs of the store: `persistence.events`, `.receiving` and others fill it.

Locks are taken in this order: events (others' are skipped), clients' feeds in id order, contacts
and conversations in order of client and number, then as whoever gives back charges takes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.dispatching.settlement import Refund
from domain.ports.ledger import Ledger, Transaction
from domain.ports.queue import Upstreams
from domain.sending import MessageStatus
from domain.two_way.arrivals import Arrival, OptOut
from domain.two_way.routing import Signposts
from domain.two_way.webhooks import DueEvent, Line, NewEvent, ReportCall, Ruling, WebhookOutcome

Correspondence = tuple[UUID, str]
"""A client and a number that it writes with."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A message that reports tell of, under lock."""

    provider: str
    reference: str
    number: str
    message_id: UUID
    send_id: UUID
    client_id: UUID
    status: MessageStatus


@dataclass(frozen=True, slots=True)
class CalledBack:
    """What of one send is called back, and what is given back for it."""

    provider_account_id: UUID
    refund: Refund


class Events(Protocol):
    """Events as providers bring them: stored first, received later."""

    async def store_events(self, events: Sequence[NewEvent]) -> list[WebhookOutcome]:
        """One outcome an event, same order: UNROUTED (it waits), DUPLICATE or INVALID. Durable.

        Raises Disconnected where the database is away: nothing is stored, or all of it.
        """
        ...

    async def count_refusals(self, refusals: Mapping[tuple[str, str], int]) -> None:
        """Adds refusals by provider and reason to those of this minute."""
        ...


class Received(Ledger, Protocol):
    """Events that wait to be received."""

    async def take_due_events(
        self, tx: Transaction, most: int, *, only: Sequence[UUID] | None = None
    ) -> list[DueEvent]:
        """Events that are due, FOR UPDATE, in order of their ids; others' are skipped.

        `only`: those of these that are due still.
        """
        ...

    async def write_rulings(self, tx: Transaction, rulings: Sequence[Ruling]) -> None:
        """Writes what became of events."""
        ...

    async def put_off_event(self, event_id: UUID, reason: str, *, due_in_seconds: float) -> None:
        """The event waits a while longer; the reason is shown meanwhile."""
        ...


class Routes(Protocol):
    """What points to clients."""

    async def read_signposts(
        self,
        tx: Transaction,
        *,
        senders: Collection[str],
        receivers: Collection[str],
        lines: Collection[Line],
    ) -> Signposts:
        """What points to clients for these numbers (E.164) and lines."""
        ...

    async def captured_until(self, tx: Transaction) -> datetime | None:
        """Everything that was sent before that moment is known by number; None: everything is."""
        ...


class Arrivals(Protocol):
    """Inbound messages, as they are written down."""

    async def take_feed_numbers(
        self, tx: Transaction, counts: Mapping[UUID, int]
    ) -> dict[UUID, int]:
        """The first of so many new numbers of each client's feed, which stays locked."""
        ...

    async def write_arrivals(
        self, tx: Transaction, arrivals: Sequence[tuple[Arrival, int]]
    ) -> None:
        """Writes messages, each with its number in the feed, and all that grows from them:
        contacts, conversations with what is unread, and the lines that clients are seen on."""
        ...


class OptOuts(Upstreams, Protocol):
    """Numbers that clients may not write to."""

    async def share_feeds(self, tx: Transaction, client_ids: Collection[UUID]) -> None:
        """Holds the clients' feeds, FOR SHARE in id order: nobody opts out of them meanwhile."""
        ...

    async def opted_out_among(
        self, tx: Transaction, send_ids: Sequence[UUID]
    ) -> list[Correspondence]:
        """Whom these sends have QUEUED messages to that may not be written to."""
        ...

    async def write_opt_outs(self, tx: Transaction, opt_outs: Sequence[OptOut]) -> None:
        """From now on they may not. One that is there stays as it is."""
        ...

    async def drop_opt_outs(self, tx: Transaction, pairs: Sequence[Correspondence]) -> None:
        """They may again."""
        ...

    async def upstreams_queued_to(
        self, tx: Transaction, pairs: Sequence[Correspondence]
    ) -> list[UUID]:
        """Provider accounts by which something captured is to reach them; nothing is locked."""
        ...

    async def call_back_queued_to(
        self,
        tx: Transaction,
        provider_account_ids: Sequence[UUID],
        pairs: Sequence[Correspondence],
        *,
        failure: str,
    ) -> list[CalledBack]:
        """What of it is QUEUED is CANCELLED, locked in id order: one a send, with its refund."""
        ...


class Reports(Protocol):
    """Messages that delivery reports tell of."""

    async def lock_reported(
        self, tx: Transaction, reports: Sequence[tuple[str, ReportCall]]
    ) -> list[Reported]:
        """Messages FOR UPDATE, in id order, that the provider named by these references."""
        ...

    async def write_reported(
        self, tx: Transaction, found: Sequence[tuple[Reported, MessageStatus, str | None]]
    ) -> None:
        """Writes the status, and why where it was not delivered, of messages under lock."""
        ...


class Inboxes(Received, Routes, Arrivals, OptOuts, Reports, Protocol):
    """All that receiving needs."""
