"""What is needed of the store about who there is. `persistence.people` and `.tenants` fill it.

What belongs to tenants is read within a scope: what lies outside it is left out, as if it did not
exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.access import Scope
from domain.identity.people import Client, Group, User
from domain.pages import Page, Window
from domain.ports.ledger import Transaction
from domain.transactions import Transactional


class Directory(Protocol):
    """Reads."""

    async def find_user(self, user_id: UUID, *, tx: Transaction | None = None) -> User | None:
        """A user, whoever asks: for the user itself, and for the admin."""
        ...

    async def find_clients(
        self, scope: Scope, ids: Sequence[UUID], *, tx: Transaction | None = None
    ) -> dict[UUID, Client]:
        """Clients by id."""
        ...

    async def find_groups(
        self, ids: Sequence[UUID], *, tx: Transaction | None = None
    ) -> dict[UUID, Group]:
        """Groups by id, whoever asks: for those that the actor was led to by what it may see."""
        ...

    async def list_groups(self) -> Sequence[Group]:
        """All groups, by name."""
        ...

    async def list_clients(
        self,
        scope: Scope,
        window: Window[UUID],
        *,
        search: str | None = None,
        group_id: UUID | None = None,
    ) -> Page[Client]:
        """Clients, newest first. `search`: a part of the name, in any case."""
        ...

    async def list_users(
        self, window: Window[UUID], *, client_id: UUID | None = None
    ) -> Page[User]:
        """Users, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class NodeVersions:
    """A node's place in the tree, and the versions that figures add up."""

    account_id: UUID
    parent_id: UUID | None
    provider_account_id: UUID
    version: int
    departed_version: int


class People(Directory, Transactional, Protocol):
    """Writes. Locks are taken in this order: people, then accounts in id order."""

    async def lock_people(self, tx: Transaction) -> None:
        """One change of people at a time: they are rare, and so no two can cross."""
        ...

    async def note_access_changes(self, tx: Transaction, subject_ids: Sequence[UUID]) -> None:
        """Tells every process that what it knows of these is out of date. Last before a commit."""
        ...

    async def home_of(self, tx: Transaction, group_id: UUID | None) -> NodeVersions:
        """The node that clients of this group, or of none, stand under. Raises NotFound."""
        ...

    async def write_group(
        self, tx: Transaction, group: Group, *, under: NodeVersions | None = None
    ) -> None:
        """Writes its fields; a new one with a node of its own under the one given."""
        ...

    async def write_client(
        self, tx: Transaction, client: Client, *, under: NodeVersions | None = None
    ) -> None:
        """Writes its fields; a new one with a node of its own under the one given.

        Raises InvalidInput where an assigned number is another client's.
        """
        ...

    async def lock_nodes(
        self, tx: Transaction, *, ids: Sequence[UUID], below: Sequence[UUID]
    ) -> list[NodeVersions]:
        """These nodes and those right below the others, FOR UPDATE in id order."""
        ...

    async def move_node(
        self,
        tx: Transaction,
        account_id: UUID,
        *,
        under: UUID | None,
        departed_versions: Mapping[UUID, int],
    ) -> None:
        """Puts a node under another (None: where it is), and writes the departed versions."""
        ...

    async def release_supervisors(
        self, tx: Transaction, client_id: UUID, *, outside_group_id: UUID | None
    ) -> None:
        """Takes the client away from supervisors of any group but this."""
        ...

    async def add_user(self, tx: Transaction, user: User, *, password_hash: str) -> None:
        """Adds a user. Raises InvalidInput where the email is another user's."""
        ...

    async def write_user(
        self, tx: Transaction, user: User, *, password_hash: str | None = None
    ) -> None:
        """Writes the fields of a user that is there. Email and creation stay."""
        ...

    async def active_admins(self, tx: Transaction) -> set[UUID]:
        """The admins that are not disabled."""
        ...

    async def end_sessions_of(self, tx: Transaction, user_id: UUID) -> None:
        """Ends all sessions of a user."""
        ...

    async def make_default_pool(
        self, tx: Transaction, *, provider: str, unit: str, price: int
    ) -> UUID:
        """The default provider account; made, with its node, where there is none."""
        ...
