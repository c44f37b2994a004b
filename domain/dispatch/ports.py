"""What the dispatch area needs from the outside: persistence, and the program around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.dispatch.calls import Call, Queued
from domain.dispatch.fairness import Quota, Waiting
from domain.dispatch.settlement import Refund, Standing, Step, Upstream
from domain.identity.access import Scope
from domain.ledger.ports import Ledger, OnceStore
from domain.sending.ports import SendArchive
from domain.transactions import Transaction


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a rate limit lets leave now, in messages; with none, the seconds until the next may."""

    messages: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. `outcome`: one of the words of the attempt table."""

    attempt_id: UUID
    outcome: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Charged:
    """A send of somebody's, as far as giving back its charge needs: nothing of its content."""

    send_id: UUID
    provider_account_id: UUID
    refund: Refund


@dataclass(frozen=True, slots=True)
class UnknownFilter:
    """Which UNKNOWN messages are meant. None does not restrict.

    `attempted_before`: their call was marked before this time.
    """

    send_id: UUID | None = None
    client_id: UUID | None = None
    attempted_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnknownAttempt:
    """An UNKNOWN message, as far as settling it needs. `unit`: of its provider account."""

    id: UUID
    provider_account_id: UUID
    attempt_id: UUID
    unit: str


@dataclass(frozen=True, slots=True)
class UnknownTotal:
    """UNKNOWN messages of the accounts with one unit, and what was charged for them."""

    unit: str
    messages: int
    units: int


@dataclass(frozen=True, slots=True)
class SettledUnknowns:
    """What was settled, or in a dry run what would be. `remaining`: how many still match."""

    dry_run: bool
    messages: int
    totals: Sequence[UnknownTotal]
    remaining: int
    attempted_before: datetime


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """An UNKNOWN message, with what helps to find it in the provider's log."""

    id: UUID
    send_id: UUID
    client_id: UUID
    client_name: str
    provider: str
    number: str
    text: str
    charged: int
    unit: str
    accepted_at: datetime
    attempted_at: datetime
    attempt_id: UUID
    messages_in_call: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Uncaptured:
    """A send whose numbers are not in its client's contacts yet."""

    send_id: UUID
    client_id: UUID
    accepted: int
    business: str | None


class Upstreams(Ledger, Protocol):
    """Provider accounts, as all that follows locks them first."""

    async def lock_upstream(
        self, tx: Transaction, provider_account_id: UUID, *, alone: bool = False
    ) -> Upstream:
        """The provider account FOR SHARE, so that its epoch stands until the transaction ends.

        `alone`: FOR NO KEY UPDATE, for who is going to change it; a share is never raised to it.
        """
        ...


class Queue(Upstreams, Protocol):
    """Messages that wait to be handed over."""

    async def accounts_with_queue(self) -> list[UUID]:
        """Provider accounts that have QUEUED messages, due or not. Cheap: asked several times a
        second by every program that dispatches."""
        ...

    async def tenants_waiting(
        self, provider_account_id: UUID, *, after: Mapping[int, UUID], most: int
    ) -> list[Waiting]:
        """Tenants with messages due, at most so many a priority, nothing locked.

        In id order within a priority, beginning behind the tenant named and then from the start.
        """
        ...

    async def pick_messages(
        self, tx: Transaction, provider_account_id: UUID, quotas: Sequence[Quota]
    ) -> list[Queued]:
        """Messages due, locked until the transaction ends: tenant by tenant, oldest first.

        Skips what others have locked. A second pick in a transaction may return the same again.
        """
        ...

    async def take_pace(
        self, tx: Transaction, provider_account_id: UUID, rate_per_second: float
    ) -> Allowance:
        """What may leave now, over all dispatchers: the others wait until the transaction ends."""
        ...

    async def keep_pace(
        self, tx: Transaction, provider_account_id: UUID, rate_per_second: float, messages: int
    ) -> None:
        """So many have been marked."""
        ...

    async def mark_calls(
        self,
        tx: Transaction,
        upstream: Upstream,
        calls: Sequence[Call],
        *,
        dispatcher_id: UUID,
        lease_seconds: float,
    ) -> None:
        """Writes one attempt a call, with the account's epoch; its messages are SUBMITTING."""
        ...

    async def put_off_probe(
        self, tx: Transaction, provider_account_id: UUID, *, first_seconds: float, longest: float
    ) -> None:
        """The next probe is due later: after as long as the account has been paused, in bounds."""
        ...


class Settlements(Upstreams, Protocol):
    """Messages of which something has been learned."""

    async def lock_attempts(self, tx: Transaction, ids: Sequence[UUID]) -> None:
        """The attempts FOR UPDATE, in id order."""
        ...

    async def lock_undecided(
        self, tx: Transaction, attempt_ids: Sequence[UUID], *, only: Sequence[UUID] | None = None
    ) -> list[Standing]:
        """Messages FOR UPDATE in ID order that are SUBMITTING or UNKNOWN under these attempts.

        `only`: of these, the messages with these IDs.
        """
        ...

    async def opted_out_of(self, tx: Transaction, message_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the messages whose numbers their clients may not write to any more."""
        ...

    async def write_steps(self, tx: Transaction, steps: Sequence[Step]) -> None:
        """Writes what becomes of messages, all in one statement."""
        ...

    async def end_attempts(self, tx: Transaction, endings: Sequence[Ending]) -> None:
        """Writes how attempts ended. A late ending is added to what a sweep wrote before."""
        ...

    async def pause_upstream(
        self, tx: Transaction, upstream: Upstream, reason: str, *, first_seconds: float
    ) -> None:
        """The account is paused, if it was not; its first probe is due after so long."""
        ...

    async def resume_upstream(self, tx: Transaction, upstream: Upstream) -> None:
        """The account is not paused."""
        ...

    async def take_expired(self, tx: Transaction, most: int) -> list[UUID]:
        """Attempts FOR UPDATE, not ended, whose lease has passed; others' are skipped."""
        ...

    async def take_overdue(
        self, tx: Transaction, provider_account_id: UUID, *, age_seconds: float, most: int
    ) -> list[Standing]:
        """QUEUED messages FOR UPDATE of that age that were refused before, or whose account has
        been paused for as long; others' are skipped."""
        ...

    async def find_attempt_of(self, tx: Transaction, message_id: UUID) -> tuple[UUID, UUID | None]:
        """Provider account and attempt of a message, nothing locked. Raises NotFound."""
        ...

    async def note_on_attempts(self, tx: Transaction, ids: Sequence[UUID], note: str) -> None:
        """Adds a line to the detail of attempts."""
        ...


class Cancellations(SendArchive, Upstreams, OnceStore, Protocol):
    """Sends that are called back."""

    async def find_charged(self, scope: Scope, send_id: UUID) -> Charged:
        """A send within the scope. Raises NotFound."""
        ...

    async def cancel_queued(self, tx: Transaction, send_id: UUID) -> int:
        """What of the send is QUEUED is CANCELLED, locked in id order. Returns how many."""
        ...


class Settling(SendArchive, Settlements, OnceStore, Protocol):
    """UNKNOWN messages, for a person who settles them."""

    async def read_clock(self) -> float:
        """The database's time, in seconds since 1970."""
        ...

    async def check_filter(self, wanted: UnknownFilter) -> None:
        """Raises NotFound if the filter names a send or a client that does not exist."""
        ...

    async def find_unknown_totals(self, scope: Scope, wanted: UnknownFilter) -> list[UnknownTotal]:
        """The messages that match, counted by unit."""
        ...

    async def find_unknowns(
        self, tx: Transaction, wanted: UnknownFilter, *, after: tuple[UUID, UUID], most: int
    ) -> list[UnknownAttempt]:
        """The next that match, in order of provider account and message. Locks nothing.

        `after`: provider account and message of the last one before them.
        """
        ...

    async def list_unknowns(
        self, scope: Scope, wanted: UnknownFilter, *, after: UUID, most: int
    ) -> list[UnknownMessage]:
        """The next that match, in order of message ID."""
        ...


class Captures(Ledger, Protocol):
    """Contacts made from committed sends."""

    async def take_uncaptured(
        self, tx: Transaction, *, most: int, send_id: UUID | None = None
    ) -> list[Uncaptured]:
        """Sends FOR UPDATE, oldest first, or the one named; what others have locked is skipped."""
        ...

    async def capture_numbers(
        self, tx: Transaction, sends: Sequence[Uncaptured], *, after: UUID, most: int
    ) -> UUID | None:
        """Contacts for the numbers of the next messages behind `after`, where there are none yet.

        Inserted in order of client and number, so that two captures never wait in a circle.
        Returns the last message looked at, None where there are no more.
        """
        ...

    async def keep_captured(self, tx: Transaction, send_ids: Sequence[UUID]) -> None:
        """The sends are captured."""
        ...


class Upkeep(Protocol):
    """What is thrown away in time."""

    async def purge_keys(self, *, age_seconds: float, most: int) -> int:
        """Idempotency keys of that age are gone, at most so many. Returns how many."""
        ...


class Dates(Protocol):
    """The store's clock, and what was dated by it."""

    async def read_clock(self) -> float:
        """Seconds since 1970."""
        ...

    async def redate(self, *, slack_seconds: float, reading_seconds: float, most: int) -> bool:
        """What is dated further ahead than so much keeps the wait that it was given, from now on.

        `reading_seconds`: how long a reading may hold an account. Waits for no lock. True where
        there may be more.
        """
        ...


class WorkStore(Queue, Settling, Captures, Upkeep, Dates, Protocol):
    """All that the workers need."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not finished yet, over all processes and all tenants.

    `oldest_seconds`: since the oldest queued message was accepted; 0 if none is queued.
    `pending_opt_outs`: unrouted STOPs that the operator must assign.
    """

    queued: int
    oldest_seconds: float
    unknown: int
    events: int
    pending_opt_outs: int = 0


class Backlogs(Protocol):
    """What /metrics shows of the database."""

    async def read_backlog(self) -> Backlog:
        """What waits now; nothing is locked. Raises TryAgain."""
        ...

    async def paused_accounts(self) -> Mapping[UUID, bool]:
        """Every provider account, and whether it is paused. Raises TryAgain."""
        ...
