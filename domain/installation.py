"""The ports and rules that requests use. `ibiki.wiring` creates them at the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from domain.brand import Brand
from domain.dispatch.ports import Cancellations, Settling
from domain.hooks.changes import Hooks
from domain.hooks.ports import EndpointStore
from domain.identity.actors import Actors
from domain.identity.auth_tokens import AuthTokens
from domain.identity.ports import ApiKeyStore, Directory, Passwords
from domain.identity.sessions import Sessions
from domain.inbox.erasing import Erasing
from domain.inbox.inbound import Receiver
from domain.inbox.keywords import Keywords
from domain.inbox.ports import AssigningStore, ContactWrites, InboxReads
from domain.inbox.webhooks import Parsers
from domain.ledger.audit import Auditor
from domain.ledger.closing import CheckpointStore
from domain.ledger.credentials import OwnAccountRules
from domain.ledger.ports import AllocateStore, LedgerArchive, ReconcileStore, SyncStore
from domain.ledger.provider_accounts import Catalogue, PlatformAccounts
from domain.ledger.reconcile import Reconciler
from domain.ledger.sync import SyncRules
from domain.live.ports import LiveStore
from domain.loops import RequestRateLimiter
from domain.numbers import Normaliser
from domain.provider import Providers
from domain.sending.acceptor import Acceptor, RequestObserver
from domain.sending.files.file_limits import FileLimits
from domain.sending.ports import AcceptStore, ProviderRoutes, SendArchive, Templates, Uploads
from domain.sending.recipients import RecipientMemory
from domain.sending.routes import Routes


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits of requests, from the settings. Rates and uploads are counted per client.

    `rows`: of a file that is sent to. A file of more than `rows_at_once` is written in parts.
    """

    requests_per_second: int = 1000
    recipients: int = 100_000
    rows: int = 1_000_000
    rows_at_once: int = 100_000
    recipients_multi: int = 10_000
    segments: int = 10
    uploads_bytes: int = 1_000_000_000


class Store(
    AcceptStore,
    AllocateStore,
    SyncStore,
    ReconcileStore,
    CheckpointStore,
    Cancellations,
    Settling,
    SendArchive,
    LedgerArchive,
    ProviderRoutes,
    PlatformAccounts,
    ApiKeyStore,
    LiveStore,
    AssigningStore,
    ContactWrites,
    Erasing,
    InboxReads,
    EndpointStore,
    Templates,
    Uploads,
    Protocol,
):
    """All functions that requests need from persistence. `persistence.store` implements it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Ports and rules of this installation. Each member implements the port that is its type."""

    brand: Brand
    limits: RequestLimits
    normaliser: Normaliser
    store: Store
    directory: Directory
    acceptor: Acceptor
    routes: Routes
    rate_limiter: RequestRateLimiter[UUID]
    providers: Providers
    sync_rules: SyncRules
    own_accounts: OwnAccountRules
    catalogue: Catalogue
    reconciler: Reconciler
    auditor: Auditor
    sessions: Sessions
    actors: Actors
    passwords: Passwords
    hooks: Hooks
    auth_tokens: AuthTokens
    parsers: Parsers = field(default_factory=dict)
    keywords: Keywords = field(default_factory=Keywords)
    observer: RequestObserver = field(default_factory=RequestObserver)
    file_limits: FileLimits = field(default_factory=FileLimits)
    recipient_memory: RecipientMemory = field(default_factory=RecipientMemory)

    @property
    def receiver(self) -> Receiver:
        """The store, parsers and rules that events are received with."""
        return Receiver(self.store, self.parsers, self.normaliser, self.keywords)
