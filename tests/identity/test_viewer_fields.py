"""The fields of the viewer. What they need is read once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain import ids
from domain.identity.access import Actor, Role
from domain.identity.directory import Client, ClientStatus, Group, User
from domain.ids import Kind, new_id
from schema.engine import Engine
from schema.schema import build_schema
from tests.schema.fakes import FakeDirectory, actor_with, context_with

ENGINE = Engine(build_schema())
NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
GROUP = Group(id=new_id(), name="MG888", rate_per_unit_usd=None, account_id=new_id())
CLIENT = Client(
    id=new_id(),
    name="Acme",
    business=None,
    status=ClientStatus.ACTIVE,
    group_id=GROUP.id,
    account_id=new_id(),
    rate_per_unit_usd=None,
    assigned_numbers=["+12025550123"],
    created_at=NOW,
)
QUERY = """{ viewer { id email role brand { name } group { id name } client {
    id name business status assignedNumbers ratePerUnitUsd createdAt group { name } } } }"""


def a_directory(**of: Any) -> tuple[Actor, FakeDirectory]:
    """An actor with its user, in a directory with one client in one group."""
    actor = actor_with(**of)
    user = User(
        id=actor.user_id,
        email="ada@ibiki.test",
        role=actor.role,
        client_id=actor.client_id,
        group_id=actor.group_id,
        disabled=False,
        created_at=NOW,
    )
    return actor, FakeDirectory({user.id: user}, {CLIENT.id: CLIENT}, {GROUP.id: GROUP})


async def ask(actor: Actor | None, directory: FakeDirectory) -> Any:
    """The response."""
    context = context_with(actor, directory=directory)
    return (await ENGINE.execute(ENGINE.find(QUERY), None, context)).body


async def test_the_user_of_a_client_sees_its_account_and_group() -> None:
    actor, directory = a_directory(client_id=CLIENT.id)
    assert (await ask(actor, directory))["data"]["viewer"] == {
        "id": ids.encode(Kind.USER, actor.user_id),
        "email": "ada@ibiki.test",
        "role": "CLIENT",
        "brand": {"name": "Kanda SMS"},
        "group": {"id": ids.encode(Kind.GROUP, GROUP.id), "name": "MG888"},
        "client": {
            "id": ids.encode(Kind.CLIENT, CLIENT.id),
            "name": "Acme",
            "business": None,
            "status": "ACTIVE",
            "assignedNumbers": ["+12025550123"],
            "ratePerUnitUsd": None,
            "createdAt": "2026-11-20T08:30:00Z",
            "group": {"name": "MG888"},
        },
    }


async def test_a_client_or_group_that_many_fields_need_is_read_once() -> None:
    actor, directory = a_directory(client_id=CLIENT.id)
    await ask(actor, directory)
    assert sorted(directory.reads) == [("clients", [CLIENT.id]), ("groups", [GROUP.id])]


async def test_a_supervisor_sees_its_group() -> None:
    actor, directory = a_directory(role=Role.SUPERVISOR, group_id=GROUP.id)
    viewer = (await ask(actor, directory))["data"]["viewer"]
    assert (viewer["group"]["name"], viewer["client"]) == ("MG888", None)


async def test_an_admin_has_neither_client_nor_group() -> None:
    viewer = (await ask(*a_directory(role=Role.ADMIN)))["data"]["viewer"]
    assert (viewer["group"], viewer["client"]) == (None, None)


async def test_without_a_user_the_answer_is_unauthenticated() -> None:
    for actor in (None, actor_with()):
        answer = await ask(actor, FakeDirectory())
        assert answer["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
