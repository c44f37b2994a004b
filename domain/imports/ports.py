"""What imports need from persistence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from domain.identity.access import Everything, Payer
from domain.identity.directory import User
from domain.identity.ports import IdentityStore
from domain.inbox.ports import ContactWrites
from domain.ledger.imported import LogLine, NewImportedLine, NewOpeningBalance, OpeningBalance
from domain.ledger.ports import Ledger
from domain.transactions import Transaction


class FindsPayers(Protocol):
    """Finds the clients of a file by the emails of their users."""

    async def find_payers(
        self, scope: Everything, emails: Sequence[str]
    ) -> Mapping[str, tuple[Payer, bool]]:
        """The accounts of the clients of users with these emails, ignoring case, by email as given.

        With each: whether the client owns the provider account.
        """


class LegacyLogStore(FindsPayers, Ledger, Protocol):
    """Log lines of another system."""

    async def find_imported_lines(
        self, scope: Everything, keys: Sequence[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], LogLine]:
        """The lines with these clients and references, by client and reference."""

    async def add_imported_lines(self, tx: Transaction, lines: Sequence[NewImportedLine]) -> int:
        """Adds the lines that are not there yet, in order. Returns how many.

        Only one transaction at a time adds lines, because the charges of a client are added up.
        """


class BalanceStore(FindsPayers, Ledger, Protocol):
    """Opening balances."""

    async def find_opening_balances(
        self, scope: Everything, keys: Sequence[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], OpeningBalance]:
        """The balances with these clients and references, by client and reference."""

    async def add_opening_balances(
        self, tx: Transaction, balances: Sequence[NewOpeningBalance]
    ) -> set[tuple[UUID, str]]:
        """Adds those that are not there yet, in order of their keys. Returns their keys.

        Call it before accounts are locked: it waits for another import of the same balances.
        """


class ClientStore(IdentityStore, Protocol):
    """Clients and their users."""

    async def find_users_by_email(
        self, scope: Everything, emails: Sequence[str], *, tx: Transaction | None = None
    ) -> Mapping[str, User]:
        """The users with these emails, ignoring case, by email as given."""


class ContactImportStore(FindsPayers, ContactWrites, Protocol):
    """Contacts and opt-outs."""

    async def find_opted_out(self, client_id: UUID, numbers: Sequence[str]) -> set[str]:
        """The numbers of these that have opted out of the client's messages."""
