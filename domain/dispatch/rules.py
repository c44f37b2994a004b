"""Settings of dispatching: deadlines, leases, pauses, and how much happens at once."""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 86_400.0
BULK_CALLS = 4


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
    quick_look_seconds: float = 0.02
    """A look at the queue that takes longer is not repeated for each claim: see `lookout`."""

    calls_at_once: int = 16
    """Open calls of one dispatcher to one provider account."""

    messages_under_way: int = 400
    """Messages that are marked and not yet recorded: a crash makes them UNKNOWN."""

    messages_per_second: float | None = None
    """For each provider account without a rate of its own, over all dispatchers together."""

    breaker_opens_after: int = 5
    breaker_first_seconds: float = 2.0
    breaker_longest_seconds: float = 30.0

    backoff_first_seconds: float = 1.0
    backoff_longest_seconds: float = 60.0
    rest_longest_seconds: float = 600.0
    """The longest pause that a provider may ask for."""

    probe_first_seconds: float = 30.0
    probe_longest_seconds: float = 600.0
    give_up_seconds: float = DAY_SECONDS
    """A message of this age that was not taken is rejected instead of tried again."""

    give_up_every_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.deadline_seconds <= 0 or self.deadline_seconds >= self.lease_seconds:
            raise ValueError("The deadline of a call must be above 0 and below the lease.")
        if self.calls_at_once < 1:
            raise ValueError("At least one call at once must be allowed.")
        if self.messages_under_way < 2 * self.calls_at_once:
            raise ValueError("Twice as many messages as calls must be allowed under way.")
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
