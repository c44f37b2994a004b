"""The settings of dispatching (deadlines, leases, pauses), its circuit breaker and its observer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from uuid import UUID

from domain.loops import now_seconds
from domain.provider import NotSent, Outcome, Unknown

DAY_SECONDS = 86_400.0
BULK_CALLS = 4
NO_CLIENT = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRules:
    """The defaults are those of the settings. Raises ValueError for values that do not agree.

    The lease of a message is longer than the deadline of its call, so that a lease cannot expire
    while the call is open.
    """

    deadline_seconds: float = 10.0
    lease_seconds: float = 30.0
    sweep_seconds: float = 5.0
    poll_seconds: float = 0.15
    calls_at_once: int = 16
    """Open calls of one dispatcher to one provider account."""

    messages_under_way: int = 400
    """Messages that are marked and not yet recorded: a crash makes them UNKNOWN."""

    messages_per_second: float | None = None
    """For each provider account without its own rate, over all dispatchers together."""

    breaker_opens_after: int = 5
    breaker_first_seconds: float = 2.0
    breaker_longest_seconds: float = 30.0

    backoff_first_seconds: float = 1.0
    backoff_longest_seconds: float = 60.0
    rest_longest_seconds: float = 600.0
    """The longest pause that a provider may ask for."""

    probe_first_seconds: float = 2.0
    probe_longest_seconds: float = 600.0
    give_up_seconds: float = DAY_SECONDS
    """A message of this age that was not taken is rejected instead of tried again."""

    give_up_every_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.deadline_seconds <= 0 or self.deadline_seconds >= self.lease_seconds:
            raise ValueError("The deadline of a call must be above 0 and below the lease.")
        if self.calls_at_once < 1:
            raise ValueError("calls_at_once must be at least 1.")
        if self.messages_under_way < 2 * self.calls_at_once:
            raise ValueError("messages_under_way must be at least twice calls_at_once.")
        if self.messages_per_second is not None and self.messages_per_second <= 0:
            raise ValueError("The rate must be above 0 messages a second.")

    @property
    def bulk_under_way(self) -> int:
        """How many of the messages under way may be bulk. The rest is for urgent messages."""
        return self.messages_under_way - self.calls_at_once

    def batch_of(self, largest_batch: int) -> int:
        """Messages in one bulk call. Four calls fit, so that one can start when another ends."""
        return min(largest_batch, max(1, self.bulk_under_way // BULK_CALLS))

    @property
    def start_within_seconds(self) -> float:
        """A call must start within this time after its mark, or not at all."""
        return self.lease_seconds - self.deadline_seconds


class Stage(StrEnum):
    """The steps of a message at which a crash test stops the program."""

    PICKED = "PICKED"
    """Rows are locked, nothing is committed."""
    MARKED = "MARKED"
    """The attempt is committed, no byte has been sent."""
    ANSWERED = "ANSWERED"
    """The call has ended, and only this process knows its outcome."""
    RECORDING = "RECORDING"
    """The outcome is written and not committed."""
    RECORDED = "RECORDED"


class Observer:
    """Receives what happens, for metrics, alarms and tests. Must not block and must not raise.

    This one ignores everything.
    """

    def reached(self, stage: Stage) -> None:
        """A message has reached the stage."""

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """A call has ended."""

    def swept(self, messages: int) -> None:
        """This number of messages became UNKNOWN because their lease has expired."""

    def paused(self, provider_account_id: UUID, reason: str) -> None:
        """The provider rejects the account: a person must act."""

    def resumed(self, provider_account_id: UUID) -> None:
        """A probe was answered: the account works again."""

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        """The circuit breaker has opened or closed."""


class Breaker:
    """Whether calls to one provider account may start now, and how many.

    It opens after several calls in a row without a clear answer. Then it allows one call as a try,
    after a short pause. It doubles with each try whose message may have been sent, because that
    message is UNKNOWN, and with each try after which the provider asks to wait. Messages wait
    meanwhile. If all calls without a clear answer were of one client, a message of another client
    is tried without a pause: perhaps the provider refuses the first one only. It counts the calls
    of one dispatcher: other processes have their own breakers.
    """

    def __init__(
        self,
        *,
        opens_after: int,
        first_pause_seconds: float,
        longest_pause_seconds: float,
        clock: Callable[[], float] = now_seconds,
    ) -> None:
        self._opens_after = opens_after
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._clock = clock
        self._unclear_in_a_row = 0
        self._pause_seconds = first_pause_seconds
        self._open_until = -inf
        self._paused_until = -inf
        self._trying = False
        self._clients: set[UUID] = set()
        """Those of the calls in a row without a clear answer."""

    @property
    def is_open(self) -> bool:
        """Whether no call may start, except one try."""
        return self._unclear_in_a_row >= self._opens_after

    @property
    def wait_seconds(self) -> float:
        """How long until a call may start; inf while a try is open."""
        until = max(self._paused_until, self._open_until if self.is_open else -inf)
        if self.is_open and self._trying:
            return inf
        return max(0.0, until - self._clock())

    @property
    def allowance(self) -> float:
        """Calls that may start now: 0, 1 (a try), or any number (inf)."""
        if self.wait_seconds > 0:
            return 0
        return 1 if self.is_open else inf

    def allows(self) -> tuple[float, UUID | None]:
        """How many calls may start now, and a client that they must not be of."""
        only = next(iter(self._clients)) if len(self._clients) == 1 else None
        waits = self._trying or self._clock() < self._paused_until
        if only is None or waits or self.allowance > 0:
            return self.allowance, None
        return 1, only

    def started(self, client_id: UUID = NO_CLIENT) -> bool:
        """A call starts. True if it is the try: pass this to `ended` as `was_try`.

        While it was being marked, other calls may have opened the breaker. Then it is no try.
        """
        calls, without = self.allows()
        is_try = self.is_open and calls > 0 and client_id != without
        self._trying |= is_try
        return is_try

    def ended(
        self,
        client_id: UUID = NO_CLIENT,
        *,
        clear: bool,
        was_try: bool,
        harmless: bool = False,
    ) -> None:
        """A call has ended, with a clear answer or without one. `harmless`: see `is_harmless`."""
        if was_try:
            self._trying = False
        if clear:
            self._clients.clear()
            self._unclear_in_a_row = 0
            self._pause_seconds = self._first_pause_seconds
            return
        self._clients.add(client_id)
        if self.is_open and not was_try:
            return
        self._unclear_in_a_row += 1
        if self.is_open:
            self._open(longer=was_try and not harmless)

    def not_made(self, *, was_try: bool) -> None:
        """A call that was counted as started was not made after all."""
        if was_try:
            self._trying = False

    def pause(self, seconds: float) -> None:
        """No call starts for that long, because the provider has requested it."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _open(self, *, longer: bool) -> None:
        if longer:
            self._pause_seconds = min(2 * self._pause_seconds, self._longest_pause_seconds)
        self._open_until = self._clock() + self._pause_seconds


def is_clear(outcomes: Sequence[Outcome]) -> bool:
    """Whether the provider itself has answered, for at least one message of the call.

    It has also answered if it rejects the account or the whole call, or says how long to wait.
    """
    return any(_is_answer(outcome) for outcome in outcomes)


def is_harmless(outcomes: Sequence[Outcome]) -> bool:
    """Whether the call can be tried again soon: no message was sent, and nobody asks to wait."""
    return all(isinstance(each, NotSent) and not each.asks_to_wait for each in outcomes)


def requested_pause(outcomes: Sequence[Outcome]) -> float:
    """The longest pause in seconds that the answers ask for; 0 if none does."""
    return max(
        (one.retry_after_seconds or 0.0 for one in outcomes if isinstance(one, NotSent)),
        default=0.0,
    )


def _is_answer(outcome: Outcome) -> bool:
    match outcome:
        case Unknown():
            return False
        case NotSent():
            return outcome.refuses_account or outcome.alone or bool(outcome.retry_after_seconds)
    return True
