"""Who is asking, and what they may see and do.

A scope is handed to every read of what belongs to tenants: a read without one does not exist.
What lies outside a scope is answered as if it did not exist at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.errors import AccountInactive, Forbidden, NotFound, Unauthenticated


@dataclass(frozen=True, slots=True)
class Payer:
    """The account that a client's sends are charged to, with the terms of the moment."""

    client_id: UUID
    account_id: UUID
    provider_account_id: UUID
    price: int
    unit: str
    rate_usd: Decimal | None


class Role(StrEnum):
    """What a user is to the installation."""

    ADMIN = "ADMIN"
    SUPERVISOR = "SUPERVISOR"
    CLIENT = "CLIENT"


@dataclass(frozen=True, slots=True)
class Actor:
    """A user as one request finds it, with all that deciding about the request needs.

    `credential_id`: the session or API key it came with. `client_id`: the account it sends from
    (a supervisor in direct mode has one too). `client_status`: as stored, in any case.
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
    """All tenants: the operator's scope."""


@dataclass(frozen=True, slots=True)
class OfGroup:
    """The clients of one group: a supervisor's scope, for balances and not for messages."""

    group_id: UUID


@dataclass(frozen=True, slots=True)
class OfClient:
    """One tenant."""

    client_id: UUID


Scope = Everything | OfGroup | OfClient


def require(actor: Actor | None, *roles: Role) -> Actor:
    """The actor, if it is one of these roles (any role where none is named).

    Raises Unauthenticated for nobody and Forbidden for another role: before any id is read.
    """
    if actor is None:
        raise Unauthenticated
    if roles and actor.role not in roles:
        raise Forbidden
    return actor


def message_scope(actor: Actor) -> Scope:
    """Whose sends, messages and contacts the actor may read: a supervisor's own account's only.

    Raises Forbidden for who has no client, the admin aside.
    """
    return Everything() if actor.role is Role.ADMIN else own_scope(actor)


def own_scope(actor: Actor) -> OfClient:
    """The tenant that the actor writes for. Raises Forbidden for who has none, the admin too."""
    if actor.client_id is None:
        raise Forbidden("Your user has no account of its own to send from.")
    return OfClient(actor.client_id)


def feed_scope(actor: Actor) -> OfClient:
    """Whose feed of inbound messages the actor may follow: one client's, for numbers are its.

    Raises Forbidden for who has no client, the admin too.
    """
    if actor.client_id is None:
        raise Forbidden("Your user has no client whose messages it could follow.")
    return OfClient(actor.client_id)


def balance_scope(actor: Actor) -> Scope:
    """Whose balances and transfers the actor may read."""
    if actor.role is Role.ADMIN:
        return Everything()
    if actor.role is Role.SUPERVISOR and actor.group_id is not None:
        return OfGroup(actor.group_id)
    if actor.client_id is None:
        raise NotFound("client")
    return OfClient(actor.client_id)


def payer_of(actor: Actor) -> Payer:
    """The account that the actor's sends are charged to.

    Raises Forbidden where it has none, AccountInactive where the account is not active.
    """
    if actor.payer is None:
        raise Forbidden("Your user has no account of its own to send from.")
    if (actor.client_status or "").upper() != "ACTIVE":
        raise AccountInactive(actor.client_status or "SUSPENDED")
    return actor.payer
