"""The circuit breaker of one provider account: whether calls may start now, and how many.

It opens after several calls in a row without a clear answer. Then it allows one call as a try,
after a short pause that doubles with each try that fails. Messages wait meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from domain.loops import now_seconds
from domain.provider import NotSent, Outcome, Unknown


class Breaker:
    """Counts the calls of one dispatcher. Other processes have breakers of their own."""

    def __init__(
        self,
        *,
        opens_after: int = 5,
        first_pause_seconds: float = 2.0,
        longest_pause_seconds: float = 30.0,
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

    def started(self) -> bool:
        """A call starts. True if it is the try: pass this to `ended` as `was_try`."""
        is_try = self.is_open
        self._trying |= is_try
        return is_try

    def ended(self, *, clear: bool, was_try: bool = False) -> None:
        """A call has ended, with a clear answer or without one."""
        if was_try:
            self._trying = False
        if clear:
            self._unclear_in_a_row = 0
            self._pause_seconds = self._first_pause_seconds
            return
        if self.is_open and not was_try:
            return
        self._unclear_in_a_row += 1
        if self.is_open:
            self._open(was_try=was_try)

    def not_made(self, *, was_try: bool = False) -> None:
        """A call that was counted as started was not made after all."""
        if was_try:
            self._trying = False

    def pause(self, seconds: float) -> None:
        """No call starts for that long, because the provider has asked for it."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _open(self, *, was_try: bool) -> None:
        if was_try:
            self._pause_seconds = min(2 * self._pause_seconds, self._longest_pause_seconds)
        self._open_until = self._clock() + self._pause_seconds


def is_clear(outcomes: Sequence[Outcome]) -> bool:
    """Whether the provider itself has answered, for at least one message of the call.

    It has also answered if it rejects the account or the whole call, or asks us to wait.
    """
    return any(_is_answer(outcome) for outcome in outcomes)


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
            asked_to_wait = outcome.retry_after_seconds is not None
            return outcome.refuses_account or outcome.alone or asked_to_wait
    return True
