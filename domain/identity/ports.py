"""What the identity area needs from the outside: persistence, and the program around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identity.access import Actor, Scope
from domain.identity.records import Client, Group, User
from domain.pages import Page, Window
from domain.transactions import Transaction, Transactional


class Authenticator(Protocol):
    """Tells whose a bearer credential is, an access token's or an API key's."""

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor, None for a credential that is unknown, expired, revoked or disabled."""
        ...


class Passwords(Protocol):
    """Slow hashes, made a few at a time so that many sign-ins at once do not fill the memory."""

    async def hash(self, password: str) -> str:
        """A salted hash that says its own parameters."""
        ...

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether the hash is this password's. None: False, after the time that a hash takes."""
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime


class Tokens(Protocol):
    """Access tokens: short-lived, signed, and never looked up to be read."""

    def issue(self, *, user_id: UUID, session_id: UUID) -> tuple[str, datetime]:
        """A token and when it ends."""
        ...

    def read(self, token: str) -> Claims | None:
        """What a token of ours says, as long as it is valid; None for any other."""
        ...


class Throttle(Protocol):
    """Failed sign-ins, counted for each account (whether it exists or not) and each address."""

    async def check(self, *, account: str, address: str) -> None:
        """Raises RateLimited where either has failed too often."""
        ...

    async def failed(self, *, account: str, address: str) -> None:
        """Counts one failure for both."""
        ...

    async def succeeded(self, *, account: str, address: str) -> None:
        """Forgets the failures of the account, not those of the address with other accounts."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """A user who may sign in, if the password is the right one."""

    user_id: UUID
    password_hash: str


class SessionStore(Transactional, Protocol):
    """Sign-ins, and their chains of refresh tokens: kept as hashes, used once each."""

    async def find_login(self, email: str) -> Login | None:
        """The user of that email, in any case, unless disabled."""
        ...

    async def begin_session(self, tx: Transaction, login: Login, session_id: UUID) -> bool:
        """Begins it; False where the user was disabled or the password changed in between."""
        ...

    async def write_refresh_token(
        self, tx: Transaction, session_id: UUID, token_hash: bytes, *, lifetime_days: int
    ) -> None:
        """Adds a link to a session's chain."""
        ...

    async def use_refresh_token(
        self, tx: Transaction, token_hash: bytes
    ) -> tuple[UUID, UUID] | None:
        """Uses it up: its user and session; None where it is not valid (any more). One use wins."""
        ...

    async def find_session(self, tx: Transaction, token_hash: bytes) -> UUID | None:
        """The session of a refresh token, used or not."""
        ...

    async def end_session(self, tx: Transaction, session_id: UUID) -> None:
        """Ends it, if it has not ended, and notes the change."""
        ...


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Word that what is known of a session, key, user, client or group is out of date."""

    id: UUID
    subject_id: UUID


class ActorStore(Protocol):
    """What the actor cache reads."""

    async def find_actor_of_session(self, session_id: UUID, user_id: UUID) -> Actor | None:
        """Who is asking, None where the session has ended or the user is disabled."""
        ...

    async def find_actor_of_key(self, secret_hash: bytes) -> Actor | None:
        """Who is asking, None where the key is revoked or unknown or the user disabled."""
        ...

    async def access_changes(
        self, since: datetime | None
    ) -> tuple[datetime, Sequence[AccessChange]]:
        """The store's time, and the changes made after `since`; none without `since`."""
        ...

    async def note_keys_used(self, key_ids: Sequence[UUID]) -> None:
        """Notes that the keys were used in this minute."""
        ...


class IdentityUpkeep(Protocol):
    """What of sign-ins and changes of access is thrown away in time."""

    async def purge_changes(self, *, most: int) -> int:
        """Changes of access that every process has read are gone, at most so many. How many."""
        ...

    async def purge_sign_ins(self, *, most: int) -> int:
        """Refresh tokens that ended long ago, at most so many, and sessions with their last.

        Returns how many tokens.
        """
        ...


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program's credential, without its secret."""

    id: UUID
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None


class ApiKeyStore(Transactional, Protocol):
    """API keys, by the users they act for."""

    async def list_api_keys(self, user_id: UUID) -> Sequence[ApiKey]:
        """The user's keys that are not revoked, newest first."""
        ...

    async def write_api_key(
        self,
        tx: Transaction,
        *,
        user_id: UUID,
        name: str,
        prefix: str,
        secret_hash: bytes,
        most: int,
    ) -> ApiKey | None:
        """Adds a key, unless the user has that many. One at a time: the user's row is locked."""
        ...

    async def revoke_api_key(
        self, tx: Transaction, key_id: UUID, *, user_id: UUID | None
    ) -> ApiKey | None:
        """Revokes it (if it is this user's, where one is named) and notes the change."""
        ...


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
class Node:
    """A node's place in the tree, and the versions that figures add up."""

    account_id: UUID
    parent_id: UUID | None
    provider_account_id: UUID
    version: int
    departed_version: int


class IdentityStore(Directory, Transactional, Protocol):
    """Writes. Locks are taken in this order: people, then accounts in id order."""

    async def lock_identities(self, tx: Transaction) -> None:
        """One change of people at a time: they are rare, and so no two can cross."""
        ...

    async def note_access_changes(self, tx: Transaction, subject_ids: Sequence[UUID]) -> None:
        """Tells every process that what it knows of these is out of date. Last before a commit."""
        ...

    async def find_parent_node(self, tx: Transaction, group_id: UUID | None) -> Node:
        """The node that clients of this group, or of none, stand under. Raises NotFound."""
        ...

    async def write_group(
        self, tx: Transaction, group: Group, *, under: Node | None = None
    ) -> None:
        """Writes its fields; a new one with a node of its own under the one given."""
        ...

    async def write_client(
        self, tx: Transaction, client: Client, *, under: Node | None = None
    ) -> None:
        """Writes its fields; a new one with a node of its own under the one given.

        Raises InvalidInput where an assigned number is another client's.
        """
        ...

    async def lock_nodes(
        self, tx: Transaction, *, ids: Sequence[UUID], below: Sequence[UUID]
    ) -> list[Node]:
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

    async def add_default_pool(
        self, tx: Transaction, *, provider: str, unit: str, price: int
    ) -> UUID:
        """The default provider account; made, with its node, where there is none."""
        ...
