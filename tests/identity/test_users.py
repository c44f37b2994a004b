"""Which roles fit which clients and groups, and the changes of users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.errors import InvalidInput
from domain.identity.access import Role
from domain.identity.directory import User
from domain.identity.users import UserChange, changed_user, check_role_fits

CLIENT_ID, GROUP_ID, OTHER_ID = UUID(int=1), UUID(int=2), UUID(int=3)


def user(role: Role, client_id: UUID | None = None, group_id: UUID | None = None) -> User:
    made_at = datetime(2026, 11, 1, tzinfo=UTC)
    return User(UUID(int=9), "a@ibiki.test", role, client_id, group_id, False, made_at)


ADMIN = user(Role.ADMIN)
SUPERVISOR = user(Role.SUPERVISOR, None, GROUP_ID)
DIRECT = user(Role.SUPERVISOR, CLIENT_ID, GROUP_ID)
CLIENT = user(Role.CLIENT, CLIENT_ID)


@pytest.mark.parametrize("fits", [ADMIN, SUPERVISOR, DIRECT, CLIENT])
def test_a_role_fits_the_client_and_group_that_it_needs(fits: User) -> None:
    check_role_fits(fits)


@pytest.mark.parametrize(
    ("unfit", "field"),
    [
        (user(Role.ADMIN, CLIENT_ID), "clientId"),
        (user(Role.ADMIN, None, GROUP_ID), "groupId"),
        (user(Role.SUPERVISOR), "groupId"),
        (user(Role.SUPERVISOR, CLIENT_ID), "groupId"),
        (user(Role.CLIENT), "clientId"),
        (user(Role.CLIENT, CLIENT_ID, GROUP_ID), "groupId"),
    ],
)
def test_a_role_with_a_wrong_client_or_group_is_refused(unfit: User, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_role_fits(unfit)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (CLIENT, {}, CLIENT),
        (CLIENT, {"client_id": OTHER_ID}, user(Role.CLIENT, OTHER_ID)),
        (SUPERVISOR, {"client_id": CLIENT_ID}, DIRECT),
        (DIRECT, {"client_id": None}, SUPERVISOR),
        (DIRECT, {"role": Role.ADMIN}, ADMIN),
        (DIRECT, {"role": Role.CLIENT}, CLIENT),
        (CLIENT, {"role": Role.ADMIN}, ADMIN),
        (ADMIN, {"role": Role.SUPERVISOR, "group_id": GROUP_ID}, SUPERVISOR),
        (CLIENT, {"role": Role.SUPERVISOR, "group_id": GROUP_ID}, DIRECT),
    ],
)
def test_a_new_role_drops_the_client_or_group_that_it_cannot_have(
    before: User, change: dict[str, Any], after: User
) -> None:
    assert changed_user(before, UserChange(**change)) == after


@pytest.mark.parametrize(
    ("before", "change", "field"),
    [
        (CLIENT, {"client_id": None}, "clientId"),
        (CLIENT, {"group_id": GROUP_ID}, "groupId"),
        (CLIENT, {"role": None}, "role"),
        (CLIENT, {"disabled": None}, "disabled"),
        (CLIENT, {"role": Role.ADMIN, "client_id": CLIENT_ID}, "clientId"),
        (CLIENT, {"role": Role.SUPERVISOR}, "groupId"),
        (SUPERVISOR, {"group_id": None}, "groupId"),
        (SUPERVISOR, {"role": Role.CLIENT}, "clientId"),
    ],
)
def test_an_invalid_change_of_a_user_names_the_field(
    before: User, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        changed_user(before, UserChange(**change))
    assert refused.value.field == field
