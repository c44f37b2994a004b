"""All that a request may ask for, put together once at the start by `ibiki.wiring`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from domain.accepting.accept import Acceptance
from domain.accepting.numbers import Normaliser
from domain.accepting.room import Room
from domain.identity.actors import Actors
from domain.identity.sessions import Door
from domain.observing import RequestObserver
from domain.ports.archive import Archive
from domain.ports.directory import Directory, People
from domain.ports.identity import ApiKeys, Passwords
from domain.ports.ledger import AcceptStore
from domain.ports.letters import Inbox, Switchboard
from domain.ports.live import LiveStore
from domain.ports.pools import AllocateStore, AuditStore, SyncStore
from domain.ports.queue import Cancellations, LateTruths
from domain.ports.uploads import Contacts, Uploads
from domain.provider import Provider
from domain.two_way.keywords import Keywords
from domain.two_way.receive import ReceivingStore, Reception
from domain.two_way.webhooks import Parsers
from domain.uploads.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of the installation that bound one request. Counted per client."""

    requests_per_second: int = 1000
    recipients: int = 100_000
    recipients_multi: int = 10_000
    segments: int = 10
    uploads_bytes: int = 1_000_000_000


class Store(
    AcceptStore,
    AllocateStore,
    SyncStore,
    AuditStore,
    Cancellations,
    LateTruths,
    Archive,
    People,
    ApiKeys,
    LiveStore,
    ReceivingStore,
    Inbox,
    Switchboard,
    Uploads,
    Contacts,
    Protocol,
):
    """The store, with all that it is asked for. `persistence.store` fills it."""


class Pace(Protocol):
    """How often a client may ask."""

    def wait_seconds(self, client_id: UUID, /) -> int:
        """0 where the request may go on (and is counted), else the seconds until the next may."""
        ...


class Providers(Protocol):
    """The provider accounts of this installation, ready to be called."""

    async def of(self, provider_account_id: UUID) -> Provider:
        """The provider behind an account. Raises ProviderUnavailable where none is configured."""
        ...


@dataclass(frozen=True, slots=True)
class House:
    """Ports and rules of this installation. Each member is typed by the port that it fills."""

    brand: str
    limits: Limits
    normaliser: Normaliser
    store: Store
    directory: Directory
    acceptance: Acceptance
    pace: Pace
    providers: Providers
    door: Door
    actors: Actors
    passwords: Passwords
    parsers: Parsers = field(default_factory=dict)
    keywords: Keywords = field(default_factory=Keywords)
    observer: RequestObserver = field(default_factory=RequestObserver)
    workbench: Workbench = field(default_factory=Workbench)
    room: Room = field(default_factory=Room)

    @property
    def reception(self) -> Reception:
        """Who receives here, and by which rules."""
        return Reception(self.store, self.parsers, self.normaliser, self.keywords)
