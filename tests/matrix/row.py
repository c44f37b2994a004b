"""A row of the matrix: one request for a field, and the answer that each role gets.

A cell is the expected answer:

    "owner", "owner group"   data with objects of exactly these owners
    DATA, EMPTY, NULL        data that belongs to no owner, an empty list, null
    NOT_FOUND, FORBIDDEN …   a refusal: the member of the union, or the code of the error
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.ids import Kind
from tests.matrix.scenario import ROLES, Scenario

DATA, EMPTY, NULL = "data", "empty", "null"
NOT_FOUND, FORBIDDEN, UNAUTHENTICATED = "NotFound", "FORBIDDEN", "UNAUTHENTICATED"
EVERYBODY = "owner sibling stranger"


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that is found or created for each request. `kind`: the type of its ID."""

    find: Callable[[Scenario], Awaitable[UUID | str]]
    kind: Kind | None = None


def thing(
    kind: Kind | None = None,
) -> Callable[[Callable[[Scenario], Awaitable[UUID | str]]], Thing]:
    """Decorates a function that finds an object: makes a `Thing` of it."""
    return lambda find: Thing(find, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request for a field, and the expected answer for each role.

    `given`: the arguments; a `Thing` belongs to the owner, its group or its pool, for every role.
    `through`: the root field, if the row is about a field below it. `first`: runs before
    the request.
    """

    owner: str
    sibling: str
    supervisor: str
    other_supervisor: str
    direct: str
    admin: str
    nobody: str = UNAUTHENTICATED
    given: Mapping[str, Any] = field(default_factory=dict)
    through: str | None = None
    first: Callable[[Scenario], Awaitable[None]] | None = None


def roles(others: str, *, given: Mapping[str, Any] | None = None, **cells: Any) -> Row:
    """A row in which the roles that are not named get `others`."""
    cells = {**dict.fromkeys(ROLES, others), "nobody": UNAUTHENTICATED, **cells}
    return Row(**cells, given=given or {})


def own(**requested: Any) -> Row:
    """A field that shows each user its own objects."""
    return Row(
        **{"nobody": UNAUTHENTICATED, **{who: who for who in ROLES if who != "nobody"}, **requested}
    )


def admins(sees: str, **requested: Any) -> Row:
    """A field that only admins may use."""
    return roles(FORBIDDEN, admin=sees, **requested)


def senders(owner: str, *, sibling: str, admin: str, **requested: Any) -> Row:
    """A field for users with an account to send from. A supervisor has one in direct mode only."""
    return Row(
        owner=owner,
        direct=requested.pop("direct", owner),
        sibling=sibling,
        supervisor=FORBIDDEN,
        other_supervisor=FORBIDDEN,
        admin=admin,
        **requested,
    )


def anybody(sees: str, **requested: Any) -> Row:
    """A field with the same answer for all roles, also without a credential."""
    return roles(sees, nobody=sees, **requested)
