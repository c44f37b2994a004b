"""What the identity area needs from persistence and from the program around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identity.access import Actor, Scope
from domain.identity.directory import (
    ALL_CLIENTS,
    ALL_USERS,
    Client,
    ClientFilter,
    ClientOrder,
    Group,
    TextKey,
    User,
    UserFilter,
    UserOrder,
)
from domain.ids import SidKind, sid_of
from domain.pages import Page, Window
from domain.transactions import Transaction, Transactional


class Authenticator(Protocol):
    """Finds the actor of a request."""

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor of an access token or API key.

        None if it is unknown, expired or revoked, or if its user is disabled.
        """


class Passwords(Protocol):
    """Slow password hashes, computed a few at a time because each needs much memory."""

    async def hash(self, password: str) -> str:
        """A salted hash with its parameters."""

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether the hash is of this password. For None it returns False after the same time."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The contents of an access token."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime


class Tokens(Protocol):
    """Short-lived signed access tokens. No database is needed to read one."""

    def issue(self, *, user_id: UUID, session_id: UUID) -> tuple[str, datetime]:
        """A token and the time when it expires."""

    def read(self, token: str) -> Claims | None:
        """The claims of a valid token that we signed. None for anything else."""


class Throttle(Protocol):
    """Counts failed sign-ins of each account (also of unknown ones) and of each address."""

    async def check(self, *, account: str, address: str) -> None:
        """Raises RateLimited if the account or the address has failed too often."""

    async def failed(self, *, account: str, address: str) -> None:
        """Counts one failure for both."""

    async def succeeded(self, *, account: str, address: str) -> None:
        """Clears the failures of the account. Those of the address with other accounts stay."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user who may sign in with the right password."""

    user_id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A stored refresh token.

    `is_valid`: it has not expired, its session has not ended and its user is not disabled.
    `used_seconds_ago` and `successor_salt` are None until it is used.
    """

    id: UUID
    session_id: UUID
    user_id: UUID
    is_valid: bool
    used_seconds_ago: float | None
    successor_salt: bytes | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that has not ended.

    `refreshed_at`: when its tokens were last renewed; `created_at` if they never were.
    `expires_at`: when it ends if they are not renewed.
    """

    id: UUID
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime


class CredentialStore(Transactional, Protocol):
    """Whether a credential has ended: the cache of actors may learn that later."""

    async def has_ended(self, tx: Transaction, actor: Actor) -> bool:
        """Whether its session was ended or its key revoked, or its user disabled or demoted.

        Keys of a user stay, so they do not end with its role.
        """


class SessionStore(CredentialStore, Protocol):
    """Sessions with their refresh tokens. Secrets are stored as hashes."""

    async def find_login(self, email: str) -> Login | None:
        """The user with that email, ignoring case. None if there is none or it is disabled."""

    async def begin_session(self, tx: Transaction, login: Login, session_id: UUID) -> bool:
        """Adds a session. False if the user was disabled or the password changed meanwhile.

        The user is locked until the commit, so that such a change ends this session too.
        """

    async def find_user(self, user_id: UUID) -> User | None:
        """The actor's own user. None if it does not exist."""

    async def change_password(self, tx: Transaction, login: Login, password_hash: str) -> bool:
        """Writes a password. False if the user was disabled or the password changed meanwhile.

        The user is locked until the commit: a sign-in waits, or has added its session before.
        """

    async def end_session(self, tx: Transaction, session_id: UUID) -> None:
        """Ends the session if it is still open. Safe to repeat."""

    async def list_sessions(self, user_id: UUID, *, most: int) -> Sequence[OpenSession]:
        """The open sessions of a user, newest first."""

    async def find_open_session(
        self, tx: Transaction, user_id: UUID, session_id: UUID
    ) -> OpenSession | None:
        """The session, locked until the commit. None if it is not open or not of this user."""

    async def end_sessions_of(
        self, tx: Transaction, user_id: UUID, *, except_id: UUID | None = None
    ) -> int:
        """Ends the sessions of a user, except `except_id`. Returns how many were open."""

    async def note_access_changes(self, tx: Transaction, subject_ids: Sequence[UUID]) -> None:
        """Makes every process forget the actors with this session, key, user, client or group."""

    async def lock_refresh_token(self, tx: Transaction, token_hash: bytes) -> RefreshToken | None:
        """The token, locked until the commit: a second use waits. None if it does not exist."""

    async def mark_refresh_token_used(self, tx: Transaction, token_id: UUID, salt: bytes) -> None:
        """Stores that the token was used now, and the salt of its successor."""

    async def add_refresh_token(
        self, tx: Transaction, session_id: UUID, token_hash: bytes, *, lifetime_days: int
    ) -> None:
        """Adds a token to a session."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The credential of a program, without its secret."""

    id: UUID
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None

    @property
    def twilio_sid(self) -> str:
        """Its SID in the Twilio-compatible API."""
        return sid_of(SidKind.KEY, self.id)


class ApiKeyStore(CredentialStore, Protocol):
    """API keys of users."""

    async def list_api_keys(self, user_id: UUID) -> Sequence[ApiKey]:
        """The user's keys that are not revoked, newest first."""

    async def add_api_key(
        self,
        tx: Transaction,
        *,
        user_id: UUID,
        name: str,
        prefix: str,
        secret_hash: bytes,
        limit: int,
    ) -> ApiKey | None:
        """Adds a key. None if the user has `limit` keys. The user is locked until the commit."""

    async def revoke_api_key(
        self, tx: Transaction, key_id: UUID, *, user_id: UUID | None
    ) -> ApiKey | None:
        """Revokes the key; None if it does not exist or is not of this user. Safe to repeat."""


class ActorStore(Protocol):
    """What the cache of actors reads and writes."""

    async def find_actor_of_session(self, session_id: UUID, user_id: UUID) -> Actor | None:
        """The actor. None if the session has ended or the user is disabled."""

    async def find_actor_of_key(self, secret_hash: bytes) -> Actor | None:
        """The actor. None if the key is unknown or revoked or the user is disabled."""

    async def read_access_changes(self, since: str | None) -> tuple[str, Collection[UUID]]:
        """The present snapshot, and the subjects of all changes committed after `since`.

        Each change is returned once, however long its commit took. Without `since`: no changes.
        """

    async def note_keys_used(self, key_ids: Sequence[UUID]) -> None:
        """Stores that the keys were used in this minute."""


class IdentityUpkeep(Protocol):
    """Deletes what is not needed any more, at most this many rows at a time. Returns how many."""

    async def purge_changes(self, *, most: int) -> int:
        """Access changes that every process has read."""

    async def purge_sign_ins(self, *, most: int) -> int:
        """Refresh tokens that expired long ago, and the sessions that have none left."""


class Directory(Protocol):
    """Reads users, clients and groups."""

    async def find_user(self, user_id: UUID, *, tx: Transaction | None = None) -> User | None:
        """A user; None if it does not exist. The caller checks the actor: the user or an admin."""

    async def find_clients(
        self, scope: Scope, ids: Sequence[UUID], *, tx: Transaction | None = None
    ) -> dict[UUID, Client]:
        """The clients with these IDs that are in the scope, by ID."""

    async def find_groups(
        self, ids: Sequence[UUID], *, tx: Transaction | None = None
    ) -> dict[UUID, Group]:
        """Groups by ID. The caller takes the IDs from something that the actor may see."""

    async def list_groups(self) -> Sequence[Group]:
        """All groups, by name."""

    async def list_clients(
        self,
        scope: Scope,
        window: Window[TextKey],
        *,
        filter: ClientFilter = ALL_CLIENTS,
        order: ClientOrder = ClientOrder.NEWEST,
    ) -> Page[Client]:
        """A page of clients, with the total count."""

    async def list_users(
        self,
        window: Window[TextKey],
        *,
        filter: UserFilter = ALL_USERS,
        order: UserOrder = UserOrder.NEWEST,
    ) -> Page[User]:
        """A page of users, with the total count."""


@dataclass(frozen=True, slots=True)
class Node:
    """An account in the tree, with the versions that the versions of figures are made of."""

    account_id: UUID
    parent_id: UUID | None
    provider_account_id: UUID
    version: int
    departed_version: int


class IdentityStore(Directory, CredentialStore, Protocol):
    """Writes users, clients and groups.

    Locks are taken in this order: `lock_identities`, then accounts in ID order.
    """

    async def lock_identities(self, tx: Transaction) -> None:
        """Lets one transaction at a time change users, clients, groups and assigned numbers.

        Such changes are rare, and rules across rows (the last admin, one owner for each number)
        become plain checks.
        """

    async def note_access_changes(self, tx: Transaction, subject_ids: Sequence[UUID]) -> None:
        """Makes every process forget the actors with this session, key, user, client or group."""

    async def find_parent_node(self, tx: Transaction, group_id: UUID | None) -> Node:
        """The node above the clients of this group; None is the default pool. Raises NotFound."""

    async def add_group(self, tx: Transaction, group: Group, parent: Node) -> None:
        """Adds the group with its node."""

    async def update_group(self, tx: Transaction, group: Group) -> None:
        """Writes the fields of a group."""

    async def add_client(self, tx: Transaction, client: Client, parent: Node) -> None:
        """Adds the client with its node. Raises InvalidInput if a number is another client's."""

    async def update_client(self, tx: Transaction, client: Client) -> None:
        """Writes the fields of a client. Raises InvalidInput if a number is another client's."""

    async def lock_nodes(
        self, tx: Transaction, *, ids: Sequence[UUID], below: Sequence[UUID]
    ) -> list[Node]:
        """The nodes `ids` and the nodes directly below `below`, FOR UPDATE in ID order."""

    async def move_node(
        self,
        tx: Transaction,
        account_id: UUID,
        *,
        under: UUID | None,
        departed_versions: Mapping[UUID, int],
    ) -> None:
        """Moves a node under another one (None leaves it) and writes the departed versions."""

    async def release_supervisors(
        self, tx: Transaction, client_id: UUID, *, outside_group_id: UUID | None
    ) -> None:
        """Clears the client of its supervisors, except those of this group."""

    async def add_user(self, tx: Transaction, user: User, *, password_hash: str) -> None:
        """Adds a user. Raises InvalidInput if another user has the email."""

    async def update_user(
        self, tx: Transaction, user: User, *, password_hash: str | None = None
    ) -> None:
        """Writes the fields of a user, except email and creation. None keeps the password."""

    async def active_admins(self, tx: Transaction) -> set[UUID]:
        """The admins that are not disabled."""

    async def end_sessions_of(self, tx: Transaction, user_id: UUID) -> int:
        """Ends all sessions of a user. Returns how many were open."""

    async def add_default_pool(
        self, tx: Transaction, *, provider: str, unit: str, price: int
    ) -> UUID:
        """The default provider account. Adds it with its node if there is none."""
