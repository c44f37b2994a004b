"""What requests let others see, for metrics and traces. The default looks away."""

from __future__ import annotations

from domain.sending.sends import SendKind


class RequestObserver:
    """Told of what happens. Must not block, and must not raise: requests wait for it."""

    def accepted(self, kind: SendKind, messages: int, *, seconds: float) -> None:
        """A send is charged and queued, durably; `seconds` since it was asked for."""

    def decided(self, sends: int, *, seconds: float) -> None:
        """So many sends were decided together, in one transaction of so many seconds."""

    def refused(self, operation: str, refusal: str) -> None:
        """A field of the API was answered with a refusal: both by their names in the schema."""
