"""A row of the matrix: one way to ask a field, and what each gets.

A cell says what comes back:

    "owner", "owner group"   data, and whose things stand in it: nobody else's
    DATA, EMPTY, NULL        data of nobody's, a list without entries, null
    NOT_FOUND, FORBIDDEN …   a refusal: the union's member, or the code of the error
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from resolvers.ids import Kind
from tests.matrix.scenario import ROLES, Scenario

DATA, EMPTY, NULL = "data", "empty", "null"
NOT_FOUND, FORBIDDEN, UNAUTHENTICATED = "NotFound", "FORBIDDEN", "UNAUTHENTICATED"
EVERYBODY = "owner sibling stranger"


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that is found or made for each request. `kind`: the type that its ID is of."""

    find: Callable[[Scenario], Awaitable[UUID | str]]
    kind: Kind | None = None


def thing(
    kind: Kind | None = None,
) -> Callable[[Callable[[Scenario], Awaitable[UUID | str]]], Thing]:
    """Makes a thing of the function that finds it."""
    return lambda find: Thing(find, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request for a field, and what each role gets.

    `given`: the arguments; a `Thing` belongs to the owner, its group or its pool, for every role.
    `through`: the root field, if the row is about a field below it. `first`: what happens
    before.
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


def admins(sees: str, **asked: Any) -> Row:
    """The operator's alone."""
    others: dict[str, Any] = dict.fromkeys(ROLES, FORBIDDEN)
    return Row(**{**others, "admin": sees, "nobody": UNAUTHENTICATED, **asked})


def senders(owner: str, *, sibling: str, admin: str, **asked: Any) -> Row:
    """For those with an account to send from: a supervisor has one in direct mode only."""
    return Row(
        owner=owner,
        direct=asked.pop("direct", owner),
        sibling=sibling,
        supervisor=FORBIDDEN,
        other_supervisor=FORBIDDEN,
        admin=admin,
        **asked,
    )


def anybody(sees: str, **asked: Any) -> Row:
    """The same for all, also for those who have not signed in."""
    everybody: dict[str, Any] = dict.fromkeys(ROLES, sees)
    return Row(**everybody, **asked)
