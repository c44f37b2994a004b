"""Logs the events of dispatching that an operator should know, and counts them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from domain.provider import Unknown
from ibiki.observability.metrics import DispatchMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from domain.provider import Outcome

log = logging.getLogger("ibiki.dispatch")


class DispatchLog(DispatchMetrics):
    """Counts all events of the dispatchers, and logs those that need attention."""

    def called(
        self, provider_account_id: UUID, outcomes: Sequence[Outcome], *, seconds: float
    ) -> None:
        """Logs the number of messages with an unknown outcome."""
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
        """Logs the number of messages that became UNKNOWN because their lease ended."""
        super().swept(messages)
        if messages:
            log.warning(
                "%d messages are UNKNOWN: their lease ended during the call",
                messages,
            )

    def paused(self, provider_account_id: UUID, reason: str) -> None:
        """Logs an error: messages wait until the operator solves the problem."""
        log.error(
            "the provider rejects our account, messages wait: %s",
            reason,
            extra={"provider_account": str(provider_account_id)},
        )

    def resumed(self, provider_account_id: UUID) -> None:
        """Logs that the provider accepts messages again."""
        log.info(
            "the provider accepts messages again",
            extra={"provider_account": str(provider_account_id)},
        )

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        """Logs when the circuit breaker opens or closes."""
        super().breaker(provider_account_id, open_=open_)
        extra = {"provider_account": str(provider_account_id)}
        if open_:
            log.warning("the circuit breaker is open: calls got no clear answer", extra=extra)
        else:
            log.info("the circuit breaker is closed: calls continue", extra=extra)
