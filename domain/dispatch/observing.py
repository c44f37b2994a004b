"""What handing over lets others see, for metrics, alarms and tests. The default looks away."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from domain.outcomes import Outcome


class Stage(StrEnum):
    """Where a message's way can break off: each is a point at which everything may stop."""

    PICKED = "PICKED"
    """Rows are locked, nothing is committed."""
    MARKED = "MARKED"
    """The attempt is committed, no byte has left."""
    ANSWERED = "ANSWERED"
    """The call has ended, its outcome is known here alone."""
    RECORDING = "RECORDING"
    """All is written, nothing is committed."""
    RECORDED = "RECORDED"


class Observer:
    """Told of what happens. Must not block, and must not raise."""

    def reached(self, stage: Stage) -> None:
        """Some message's way has come this far."""

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """A call has ended."""

    def swept(self, messages: int) -> None:
        """Messages whose lease had passed are UNKNOWN now."""

    def paused(self, provider_account_id: UUID, reason: str) -> None:
        """The provider refuses the account: somebody has to see to it."""

    def resumed(self, provider_account_id: UUID) -> None:
        """A probe was answered: the account is handed over to again."""

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        """Calls are held back because none was answered clearly, or go on again."""
