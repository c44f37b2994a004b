"""What is looked up and never locked. `persistence.archive`, `.balances` and others fill it.

Each read takes first whose rows may be seen (a scope, or the view that was made of it); what lies
outside is NotFound or missing, exactly like what does not exist. Lists are newest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.access import Everything, Scope
from domain.ledger.book import TransferKind
from domain.pages import Page, Window
from domain.reading.balances import Allocation, Balances, BalanceView, ProviderAccountFigures
from domain.reading.contacts import Contact
from domain.reading.statement import StatementLine
from domain.sending import Message, MessageStatus, Send


class SendArchive(Protocol):
    """Sends, messages and contacts."""

    async def find_send(self, scope: Scope, send_id: UUID) -> Send:
        """A send within the scope, with its counts. Raises NotFound."""
        ...

    async def read_sends(self, scope: Scope, window: Window[UUID]) -> Page[Send]:
        """The sends of a scope, with their counts."""
        ...

    async def find_message(self, scope: Scope, message_id: UUID) -> Message:
        """A message within the scope. Raises NotFound."""
        ...

    async def read_messages(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        status: MessageStatus | None = None,
        search: str | None = None,
    ) -> Page[Message]:
        """The messages of a scope; `search`: a part of the number or of the text."""
        ...

    async def read_messages_of_sends(
        self,
        scope: Scope,
        send_ids: Sequence[UUID],
        window: Window[UUID],
        *,
        status: MessageStatus | None = None,
    ) -> dict[UUID, Page[Message]]:
        """The same window on the messages of each send; empty for those outside the scope."""
        ...

    async def read_contacts(
        self, scope: Scope, window: Window[UUID], *, search: str | None = None
    ) -> Page[Contact]:
        """The contacts of a scope; `search`: a part of the number or of a name."""
        ...


class LedgerArchive(Protocol):
    """Balances and what led to them."""

    async def read_balances(self, view: BalanceView) -> Balances:
        """The figures of a view, all of one snapshot. Raises NotFound."""
        ...

    async def read_allocations(
        self, scope: Scope, window: Window[UUID], *, group_id: UUID | None, search: str | None
    ) -> Page[Allocation]:
        """What clients hold, counted. Raises NotFound for a group outside the scope."""
        ...

    async def find_allocation(self, scope: Scope, client_id: UUID) -> Allocation:
        """What one client holds. Raises NotFound."""
        ...

    async def read_provider_accounts(self, scope: Everything) -> Sequence[ProviderAccountFigures]:
        """All accounts at providers with the figures of their pools, the default one first."""
        ...

    async def read_statement(
        self, view: BalanceView, window: Window[int], *, kind: TransferKind | None = None
    ) -> Page[StatementLine]:
        """The statement of a view's account; a line's key is its version. Raises NotFound."""
        ...

    async def find_line(self, account_id: UUID, transfer_id: UUID) -> StatementLine:
        """One transfer as seen from one of its ends. Raises NotFound."""
        ...


class Archive(SendArchive, LedgerArchive, Protocol):
    """All that is looked up."""
