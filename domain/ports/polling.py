"""What asking for statuses needs of the store. `persistence.polling` fills it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.ports.inbox import Reported, Reports
from domain.ports.ledger import Ledger, Transaction


@dataclass(frozen=True, slots=True)
class Part:
    """The next part of a round: messages to ask for, id and reference, in id order.

    `after`: where the part before ended. `until`: where this one ends once all are asked for.
    """

    after: UUID
    until: UUID
    messages: Sequence[tuple[UUID, str]]


class Polls(Ledger, Reports, Protocol):
    """Rounds of asking, and how far each has come."""

    async def provider_account_ids(self) -> list[UUID]:
        """All accounts at providers."""
        ...

    async def claim_part(
        self,
        provider_account_id: UUID,
        round_: int,
        *,
        youngest_seconds: float,
        oldest_seconds: float,
        most: int,
        lease_seconds: float,
    ) -> Part | None:
        """The next part of a round, this program's alone for a while; None where it is another's.

        Of messages between these ages, those that are SENT or UNKNOWN and have a reference.
        """
        ...

    async def keep_part(self, provider_account_id: UUID, round_: int, until: UUID) -> None:
        """The round has come so far; anybody may go on with it."""
        ...

    async def lock_asked(self, tx: Transaction, message_ids: Sequence[UUID]) -> list[Reported]:
        """Messages FOR UPDATE in id order."""
        ...
