"""What an operator has to hear of handing over: said in the log as it happens, and counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from domain.outcomes import Unknown
from ibiki.observability.metrics import DispatchMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from domain.outcomes import Outcome

log = logging.getLogger("ibiki.handover")


class DispatchLog(DispatchMetrics):
    """Counts what the dispatcher tells of, and says what somebody has to see to."""

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """Says how many messages nobody knows the outcome of."""
        super().called(provider_account_id, outcomes, seconds=seconds)
        unknown = [outcome for outcome in outcomes if isinstance(outcome, Unknown)]
        if unknown:
            log.warning(
                "%d of %d messages of a call are UNKNOWN: %s",
                len(unknown),
                len(outcomes),
                unknown[0].reason,
                extra={"provider_account": str(provider_account_id)},
            )

    def swept(self, messages: int) -> None:
        """Says how many messages a call that never ended has left UNKNOWN."""
        super().swept(messages)
        if messages:
            log.warning("%d messages are UNKNOWN: their call never ended", messages)

    def paused(self, provider_account_id: UUID, reason: str) -> None:
        """Raises the alarm: until it is seen to, messages wait."""
        log.error(
            "the provider refuses our account, and messages wait: %s",
            reason,
            extra={"provider_account": str(provider_account_id)},
        )

    def resumed(self, provider_account_id: UUID) -> None:
        """Says that it is over."""
        log.info(
            "the provider takes messages again",
            extra={"provider_account": str(provider_account_id)},
        )

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        """Says that calls are held back, and that they go on."""
        super().breaker(provider_account_id, open_=open_)
        extra = {"provider_account": str(provider_account_id)}
        if open_:
            log.warning("calls are held back: none was answered clearly", extra=extra)
        else:
            log.info("calls go on", extra=extra)
