"""What the dispatch area needs from persistence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.dispatch.messages import (
    EVER_SECONDS,
    AttemptEnd,
    Backlog,
    Call,
    CancellableSend,
    LockedMessage,
    LockedProviderAccount,
    LostCall,
    Queued,
    Quota,
    RateAllowance,
    Transition,
    UncapturedSend,
    UnknownAttempt,
    UnknownFilter,
    UnknownKey,
    UnknownMessage,
    UnknownTotal,
    Waiting,
)
from domain.identity.access import Everything, Scope
from domain.ledger.balances import ProviderAccountFigures
from domain.ledger.ports import Ledger, OnceStore
from domain.sending.ports import SendArchive, UnwrittenMessages
from domain.transactions import Transaction


class ProviderAccountLocks(Ledger, Protocol):
    """Locks on provider accounts. Every transaction of this area takes one before other locks."""

    async def lock_provider_account(
        self, tx: Transaction, provider_account_id: UUID, *, for_update: bool = False
    ) -> LockedProviderAccount:
        """Locks the row FOR SHARE, so that its epoch cannot change until the transaction ends.

        `for_update`: FOR NO KEY UPDATE, if the row is going to be changed. Never upgrade a shared
        lock: two transactions that both do it wait for each other.
        """


class Settlements(ProviderAccountLocks, Protocol):
    """Messages whose outcome has become known."""

    async def lock_attempts(self, tx: Transaction, ids: Sequence[UUID]) -> None:
        """Locks the attempts FOR UPDATE, in ID order."""

    async def lock_undecided(
        self, tx: Transaction, attempt_ids: Sequence[UUID], *, only: Sequence[UUID] | None = None
    ) -> list[LockedMessage]:
        """Locks, in ID order, the messages of the attempts that are SUBMITTING or UNKNOWN.

        `only`: of these, the messages with these IDs.
        """

    async def record_accepted(
        self,
        tx: Transaction,
        attempt_ids: Sequence[UUID],
        references: Mapping[UUID, str | None],
        others: Collection[UUID],
    ) -> int:
        """Makes messages of the attempts SENT that are SUBMITTING or UNKNOWN and have no route.

        `references`: the provider's reference of each message that it has accepted. Also locks
        those with a route, and the `others`, which have another outcome. All are locked in ID
        order. Returns how many are SENT now.
        """
        ...

    async def opted_out_of(self, tx: Transaction, message_ids: Sequence[UUID]) -> set[UUID]:
        """The messages whose numbers have opted out."""

    async def write_transitions(self, tx: Transaction, transitions: Sequence[Transition]) -> None:
        """Writes all transitions in one statement."""

    async def end_attempts(self, tx: Transaction, ends: Sequence[AttemptEnd]) -> None:
        """Writes how attempts ended. A late result is added to what a sweep wrote before."""

    async def pause_provider_account(
        self, tx: Transaction, account: LockedProviderAccount, reason: str, *, first_seconds: float
    ) -> None:
        """Pauses the account if it is not paused. The first probe is due in `first_seconds`."""

    async def resume_provider_account(
        self, tx: Transaction, account: LockedProviderAccount
    ) -> None:
        """Ends the pause of the account."""

    async def accounts_with_expired(self) -> list[UUID]:
        """Provider accounts with open attempts whose lease has expired. Locks nothing."""

    async def lock_expired(
        self, tx: Transaction, provider_account_id: UUID, most: int
    ) -> list[UUID]:
        """Locks open attempts whose lease has expired. Skips those that others have locked."""

    async def lock_overdue(
        self, tx: Transaction, provider_account_id: UUID, *, age_seconds: float, most: int
    ) -> list[LockedMessage]:
        """Locks QUEUED messages of that age that were tried before, or whose account has been
        paused for that long. Skips those that others have locked."""

    async def lock_past_validity(
        self, tx: Transaction, provider_account_id: UUID, most: int
    ) -> list[LockedMessage]:
        """Locks QUEUED messages whose validity period has ended. Skips those that are locked.

        Also clears the periods of sends that have nothing left to submit.
        """

    async def lock_queued(self, tx: Transaction, ids: Sequence[UUID]) -> list[LockedMessage]:
        """Locks, in ID order, those of the messages that are QUEUED."""

    async def find_attempt_of(self, tx: Transaction, message_id: UUID) -> tuple[UUID, UUID | None]:
        """Provider account and attempt of a message. Locks nothing. Raises NotFound."""

    async def find_unsent(self, tx: Transaction, attempt_ids: Sequence[UUID]) -> set[UUID]:
        """Those attempts of which the provider has certainly taken no message. Locks nothing."""

    async def note_on_attempts(self, tx: Transaction, ids: Sequence[UUID], note: str) -> None:
        """Adds a line to the detail of attempts."""


class Queue(Settlements, Protocol):
    """Messages that wait to be submitted."""

    async def accounts_with_queue(self, *, since_seconds: float = EVER_SECONDS) -> list[UUID]:
        """Provider accounts that have QUEUED messages, due or not.

        `since_seconds`: leaves out messages that have been due for longer. With it, the answer must
        be cheap: every process that dispatches calls it several times a second.
        """

    async def tenants_waiting(
        self,
        provider_account_id: UUID,
        *,
        after: Mapping[int, UUID],
        most: int,
        since_seconds: float = EVER_SECONDS,
    ) -> list[Waiting]:
        """Tenants with messages due, at most `most` for each priority. Locks nothing.

        In ID order within a priority: first those after the tenant in `after`, then the others.
        `since_seconds`: leaves out messages that have been due for longer. Such a look takes as
        long whatever an open snapshot keeps.
        """

    async def shorten_parts(self) -> bool:
        """Raises the beginnings of parts of bulks to their first messages. False: no more to do."""
        ...

    async def release_scheduled(self, *, most: int) -> int:
        """Lets due scheduled messages be picked, oldest first. Returns how many."""

    async def pick_messages(
        self,
        tx: Transaction,
        provider_account_id: UUID,
        quotas: Sequence[Quota],
    ) -> list[Queued]:
        """Locks messages that are due: tenant by tenant, oldest first.

        Skips messages that others have locked. A second call in the same transaction can return
        the same messages again.
        """

    async def hold_messages(self, tx: Transaction, held: Mapping[UUID, datetime]) -> None:
        """Postpones picked messages until these times. They stay QUEUED and charged."""

    async def lock_rate(
        self, tx: Transaction, provider_account_id: UUID, rate_per_second: float
    ) -> RateAllowance:
        """What the rate limit allows now, over all dispatchers.

        Other dispatchers wait here until the transaction ends.
        """

    async def count_against_rate(
        self, tx: Transaction, provider_account_id: UUID, rate_per_second: float, messages: int
    ) -> None:
        """Uses up the allowance for this many messages."""

    async def mark_calls(
        self,
        tx: Transaction,
        account: LockedProviderAccount,
        calls: Sequence[Call],
        *,
        dispatcher_id: UUID,
        lease_seconds: float,
    ) -> None:
        """Writes one attempt for each call, with the account's epoch. Messages are SUBMITTING."""

    async def divert_queued(self, provider_account_id: UUID, *, most: int) -> int:
        """Moves messages that are due to the fallback accounts of their routes. Returns how many.

        They were not submitted to this account, or certainly not taken by it. Skips messages that
        others have locked.
        """

    async def postpone_probe(
        self,
        tx: Transaction,
        provider_account_id: UUID,
        *,
        first_seconds: float,
        longest_seconds: float,
    ) -> None:
        """Sets the next probe to as long from now as the account has been paused, in bounds."""


class Cancellations(SendArchive, UnwrittenMessages, ProviderAccountLocks, OnceStore, Protocol):
    """Sends whose queued messages are cancelled."""

    async def find_cancellable(self, scope: Scope, send_id: UUID) -> CancellableSend:
        """A send within the scope. Raises NotFound."""

    async def cancel_queued(
        self,
        tx: Transaction,
        send_id: UUID,
        *,
        most: int,
        only: UUID | None = None,
        after: UUID | None = None,
    ) -> tuple[int, UUID | None]:
        """Cancels at most `most` QUEUED messages `after` an ID, or `only` this one.

        Locked in ID order. Returns how many, and the last one.
        """

    async def keep_cancel(self, tx: Transaction, send_id: UUID, actor_id: UUID) -> None:
        """Notes that more of a send is to be cancelled than this transaction cancels."""

    async def end_cancel(self, tx: Transaction, send_id: UUID) -> None:
        """Forgets it: all of the send is cancelled."""

    async def claim_cancel(self, *, age_seconds: float) -> tuple[UUID, UUID] | None:
        """A noted send whose last part is older than this, and who cancels it. For one caller."""


class Restoring(Queue, Protocol):
    """The queue of a database that was restored to an earlier time."""

    async def has_dispatchers(self) -> bool:
        """Whether a process that sends is connected to this database."""

    async def note_restored(self) -> None:
        """Notes for all provider accounts that calls before now may not be known here.

        Ends the claims of jobs: no process holds one.
        """

    async def other_jobs_wait(self) -> bool:
        """Whether there are jobs that nobody holds."""

    async def count_due(self) -> int:
        """The QUEUED messages whose time has come, with those that a job has not written."""

    async def pick_due(
        self, tx: Transaction, provider_account_id: UUID, *, most: int
    ) -> list[Queued]:
        """Locks QUEUED messages that are not scheduled for later, of any tenant.

        Skips those that are locked.
        """


class Settling(SendArchive, Settlements, OnceStore, Protocol):
    """UNKNOWN messages, for a person who settles them."""

    async def read_clock(self) -> float:
        """The database's time, in seconds since 1970."""

    async def check_filter(self, wanted: UnknownFilter) -> None:
        """Raises NotFound if the filter names a send or a client that does not exist."""

    async def find_unknown_totals(self, scope: Scope, wanted: UnknownFilter) -> list[UnknownTotal]:
        """The messages that match, counted by unit."""

    async def find_unknowns(
        self, tx: Transaction, wanted: UnknownFilter, *, after: UnknownKey, most: int
    ) -> list[UnknownAttempt]:
        """The next that match after a key, in order. Locks nothing."""

    async def list_unknowns(
        self, scope: Scope, wanted: UnknownFilter, *, after: UnknownKey, most: int
    ) -> list[UnknownMessage]:
        """The next that match after a key, in order."""


class LostAnswers(Settlements, Protocol):
    """UNKNOWN messages that a provider may be asked about."""

    async def accounts_with_lost(self, *, age_seconds: float) -> list[UUID]:
        """Provider accounts with UNKNOWN messages that were submitted at most this long ago."""

    async def lost_calls(
        self,
        provider_account_id: UUID,
        *,
        age_seconds: float,
        without: Sequence[UUID],
        most: int,
    ) -> list[LostCall]:
        """The calls of at most `most` of them, except the attempts in `without`. Locks nothing."""


class Captures(Ledger, Protocol):
    """Sends whose numbers become contacts."""

    async def take_uncaptured(
        self, tx: Transaction, *, most: int, send_id: UUID | None = None
    ) -> list[UncapturedSend]:
        """Locks the oldest sends, or the one with that ID. Skips those that others have locked."""

    async def capture_numbers(
        self, tx: Transaction, sends: Sequence[UncapturedSend], *, after: UUID, most: int
    ) -> UUID | None:
        """Adds the missing contacts for the next messages after `after`.

        Inserts in order of client and number, so that two captures cannot deadlock. Returns the
        last message it has looked at, or None if there was none.
        """

    async def keep_captured_to(self, tx: Transaction, send_id: UUID, last: UUID) -> None:
        """Remembers how far a send is captured."""

    async def keep_captured(self, tx: Transaction, send_ids: Sequence[UUID]) -> None:
        """Marks the sends as captured."""


class Upkeep(Protocol):
    """Old rows that are deleted, and counters that are summed."""

    async def purge_keys(self, *, age_seconds: float, most: int) -> int:
        """Deletes idempotency keys of that age, at most `most`. Returns how many."""

    async def fold_tallies(self) -> bool:
        """Replaces the many counters of a send by their sum. True if there may be more."""

    async def sum_singles(self) -> bool:
        """One step of the sums of single messages that wait, if they are many. Always False."""
        ...


class DatabaseClock(Protocol):
    """The database's clock, and the rows that carry its times."""

    async def read_clock(self) -> float:
        """The database's time, in seconds since 1970."""

    async def correct_future_dates(
        self, *, slack_seconds: float, reading_seconds: float, most: int
    ) -> bool:
        """Shifts times that are further ahead than the slack: a wait starts again from now.

        `reading_seconds`: how long a reading of a balance may pause marking. Waits for no lock.
        True if there may be more.
        """

    async def end_stuck_sessions(self, *, slack_seconds: float, late_seconds: float) -> int:
        """Ends sessions that wait for a lock, or are idle with locks, longer than they may.

        The database itself does not end them after its clock was set back. `late_seconds`: how far
        they must be over the database's limits. Returns how many were ended.
        """


class WorkStore(
    Queue, Settling, LostAnswers, Cancellations, Captures, Upkeep, DatabaseClock, Protocol
):
    """All that the background workers need."""


class Backlogs(Protocol):
    """What /metrics shows of the database."""

    async def read_backlog(self) -> Backlog:
        """What waits now; nothing is locked. Raises TryAgain."""

    async def paused_accounts(self) -> Mapping[UUID, bool]:
        """Every provider account, and whether it is paused. Raises TryAgain."""

    async def read_provider_accounts(self, scope: Everything) -> Sequence[ProviderAccountFigures]:
        """All provider accounts with the figures and alarms of their pools. Raises TryAgain."""
