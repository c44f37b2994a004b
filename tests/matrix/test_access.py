"""The directive @requires of schema.graphql agrees with the rows of the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FieldDefinitionNode,
    ListValueNode,
    ObjectTypeDefinitionNode,
    parse,
)

from domain.identity.access import Role
from schema.schema import export_schema
from tests.matrix.documents import NULL_FOR_OTHERS
from tests.matrix.row import EMPTY, FORBIDDEN, NULL, UNAUTHENTICATED, Row
from tests.matrix.rows import ROWS

USERS = {
    "owner": (Role.CLIENT, True),
    "sibling": (Role.CLIENT, True),
    "supervisor": (Role.SUPERVISOR, False),
    "other_supervisor": (Role.SUPERVISOR, False),
    "direct": (Role.SUPERVISOR, True),
    "admin": (Role.ADMIN, False),
}
"""The role of each user of the matrix, and whether it has an account to send from."""

BY_ACCOUNT = {"Mutation.sync": "A client may sync its own provider account. None of these has one."}
"""Fields that also depend on something that the directive does not say."""

PUBLIC = {"Query.brand", "Mutation.signIn", "Mutation.refreshSession", "Mutation.signOut"}
ROOTS = ("Query", "Mutation", "Subscription")


@dataclass(frozen=True, slots=True)
class Requires:
    """The arguments of a directive."""

    roles: frozenset[str]
    account: bool

    def allows(self, role: Role, has_account: bool) -> bool:
        """Whether such a user may use the field."""
        return role in self.roles and (has_account or role is Role.ADMIN or not self.account)


def directives() -> Iterator[tuple[str, Requires | None]]:
    """Each field of the exported schema, with its directive."""
    for definition in parse(export_schema()).definitions:
        if isinstance(definition, ObjectTypeDefinitionNode):
            for field in definition.fields or ():
                yield f"{definition.name.value}.{field.name.value}", _directive_of(field)


def _directive_of(field: FieldDefinitionNode) -> Requires | None:
    for directive in field.directives or ():
        if directive.name.value == "requires":
            given = {each.name.value: each.value for each in directive.arguments or ()}
            roles, account = given["role"], given.get("account")
            assert isinstance(roles, ListValueNode)
            named = [each.value for each in roles.values if isinstance(each, EnumValueNode)]
            is_set = isinstance(account, BooleanValueNode) and account.value
            return Requires(frozenset(named), is_set)
    return None


DIRECTIVES = dict(directives())


def test_only_public_fields_of_the_roots_have_no_directive() -> None:
    roots = {name for name in DIRECTIVES if name.startswith(ROOTS) and "." in name}
    bare = {name for name in roots if name.split(".")[0] in ROOTS and DIRECTIVES[name] is None}
    assert bare == PUBLIC, "declare who may use it: @requires above the resolver"


@pytest.mark.parametrize("name", [name for name in ROWS if name not in NULL_FOR_OTHERS])
def test_the_directive_agrees_with_the_matrix(name: str) -> None:
    found = [what for row in ROWS[name] for what in disagreements(name, row, DIRECTIVES[name])]
    assert not found


def disagreements(name: str, row: Row, requires: Requires | None) -> Iterator[str]:
    """The differences between a row and a directive."""
    if (row.nobody == UNAUTHENTICATED) is not (requires is not None):
        yield f"without a credential one gets {row.nobody}, but the directive is {requires}"
    for who, (role, has_account) in USERS.items():
        cell = getattr(row, who)
        is_allowed = requires is None or requires.allows(role, has_account)
        # A field below the root is not reached if what is above is null, empty or forbidden.
        refused = {FORBIDDEN, NULL, EMPTY} if row.through else {FORBIDDEN}
        if not is_allowed and cell not in refused:
            yield f"{who} gets {cell}, but the directive is {requires}"
        if is_allowed and cell == FORBIDDEN and name not in BY_ACCOUNT:
            yield f"{who} is refused, but the directive is {requires}"


@pytest.mark.parametrize(
    ("name", "directive", "expected"),
    [
        ("Query.groups", Requires(frozenset({"ADMIN", "CLIENT"}), account=False), "owner"),
        ("Query.sends", Requires(frozenset(Role), account=False), "supervisor"),
        ("Query.viewer", Requires(frozenset({"ADMIN"}), account=False), "owner"),
        ("Query.viewer", None, "without"),
        ("Mutation.signIn", Requires(frozenset(Role), account=False), "without"),
    ],
)
def test_a_wrong_directive_is_noticed(name: str, directive: Requires | None, expected: str) -> None:
    [first, *_] = disagreements(name, ROWS[name][0], directive)
    assert first.startswith(expected)
