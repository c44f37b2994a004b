"""The actor of a request, and what this actor may see and do.

Every read of something that belongs to tenants takes a scope first. Something outside the scope
gets the same answer as something that does not exist.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.errors import AccountInactive, Forbidden, NotFound, Unauthenticated
from domain.identity.quiet_hours import QuietHours

_log = logging.getLogger(__name__)

# For admins too: they have no operator to ask.
_NO_ACCOUNT = "Your user has no account to send from. Use a user of a client."


@dataclass(frozen=True, slots=True)
class Payer:
    """The account that the sends of a client are charged to, with its present terms.

    `is_unread`: the client owns its provider account, and its balance was never read with the
    present credentials. It must be read before a send.
    """

    client_id: UUID
    account_id: UUID
    provider_account_id: UUID
    price: int
    unit: str
    rate_usd: Decimal | None
    is_unread: bool = False
    quiet_hours: QuietHours | None = None


class Role(StrEnum):
    """The role of a user."""

    ADMIN = "ADMIN"
    SUPERVISOR = "SUPERVISOR"
    CLIENT = "CLIENT"


@dataclass(frozen=True, slots=True)
class Actor:
    """The user of one request, with everything that decisions about the request need.

    `credential_id`: the session or API key of the request. `client_id`: the client that the user
    sends from (a supervisor may have one: direct mode). `client_status`: as stored.
    """

    user_id: UUID
    role: Role
    credential_id: UUID
    client_id: UUID | None = None
    group_id: UUID | None = None
    client_status: str | None = None
    payer: Payer | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Everything:
    """All tenants: the scope of an admin."""


@dataclass(frozen=True, slots=True)
class OfGroup:
    """The clients of one group: the scope of a supervisor, for balances but not for messages."""

    group_id: UUID


@dataclass(frozen=True, slots=True)
class OfClient:
    """One tenant."""

    client_id: UUID


Scope = Everything | OfGroup | OfClient


def require(actor: Actor | None, *roles: Role) -> Actor:
    """The actor if it has one of these roles (any role if none is named).

    Raises Unauthenticated or Forbidden. Call it before any ID is read.
    """
    if actor is None:
        raise Unauthenticated
    if roles and actor.role not in roles:
        raise Forbidden
    return actor


def message_scope(actor: Actor) -> Scope:
    """The tenants whose sends, messages and contacts the actor may read.

    Raises Forbidden if the actor has no client and is not an admin.
    """
    return Everything() if actor.role is Role.ADMIN else own_scope(actor)


def own_scope(actor: Actor) -> OfClient:
    """The tenant that the actor writes for. Raises Forbidden if it has none (an admin)."""
    if actor.client_id is None:
        raise Forbidden(_NO_ACCOUNT)
    return OfClient(actor.client_id)


def feed_scope(actor: Actor) -> OfClient:
    """The client whose inbound messages the actor may follow. A feed is numbered for one client.

    Raises Forbidden if the actor has no client (an admin).
    """
    if actor.client_id is None:
        raise Forbidden("Your user has no messages to follow. Use a user of a client.")
    return OfClient(actor.client_id)


def balance_scope(actor: Actor) -> Scope:
    """The tenants whose balances and transfers the actor may read."""
    if actor.role is Role.ADMIN:
        return Everything()
    if actor.role is Role.SUPERVISOR and actor.group_id is not None:
        return OfGroup(actor.group_id)
    if actor.client_id is None:
        raise NotFound("client")
    return OfClient(actor.client_id)


def is_active(status: str | None) -> bool:
    """Whether a stored status allows sends. Case and blanks around it do not matter."""
    return (status or "").strip().upper() == "ACTIVE"


def payer_of(actor: Actor) -> Payer:
    """The account that the sends of the actor are charged to.

    Raises Forbidden if it has none, and AccountInactive if the client is not active.
    """
    if actor.payer is None:
        raise Forbidden(_NO_ACCOUNT)
    if not is_active(actor.client_status):
        # %r: other systems may have stored it with other case or blanks.
        _log.info("client %s cannot send: its status is %r", actor.client_id, actor.client_status)
        raise AccountInactive(actor.client_status or "SUSPENDED")
    return actor.payer
