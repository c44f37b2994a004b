"""Groups, clients and users over the API, as an admin sees and changes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.ids import Kind
from tests.installations import App

CLIENT_FIELDS = """id name business status group { id name } assignedNumbers ratePerUnitUsd
    lowBalanceThreshold twilioAccountSid createdAt"""
USER_FIELDS = "id email role client { id } group { id } disabled createdAt"
REFUSED = """__typename ... on InvalidInput { message field } ... on NotFound { message }"""

GROUPS = "{ groups { id name ratePerUnitUsd } }"
CLIENT = f"query ($id: ID!) {{ client(id: $id) {{ {CLIENT_FIELDS} }} }}"
CLIENTS = """query ($search: String, $groupId: ID, $first: Int, $after: String) {
    clients(search: $search, groupId: $groupId, first: $first, after: $after) {
        nodes { id name } totalCount pageInfo { hasNextPage endCursor } } }"""
USERS = f"""query ($clientId: ID) {{ users(clientId: $clientId) {{
    nodes {{ {USER_FIELDS} }} totalCount }} }}"""


def mutation(name: str, fields: str, type_: str) -> str:
    input_ = name[0].upper() + name[1:] + "Input!"
    return f"""mutation ($input: {input_}) {{ {name}(input: $input) {{
        {REFUSED} ... on {type_} {{ {fields} }} }} }}"""


CREATE_GROUP = mutation("createGroup", "id name ratePerUnitUsd", "Group").replace(
    "... on NotFound { message }", ""
)
UPDATE_GROUP = mutation("updateGroup", "id name ratePerUnitUsd", "Group")
CREATE_CLIENT = mutation("createClient", CLIENT_FIELDS, "Client")
UPDATE_CLIENT = mutation("updateClient", CLIENT_FIELDS, "Client")
CREATE_USER = mutation("createUser", USER_FIELDS, "User")
UPDATE_USER = mutation("updateUser", USER_FIELDS, "User")

NONSENSE = {"id": "nonsense"}
ADA = {"email": "ada@ibiki.test", "password": "correct horse", "role": "ADMIN"}

UNKNOWN = {kind: ids.encode(kind, UUID(int=404)) for kind in Kind}


def client_id(app: App, who: str = "owner") -> str:
    return ids.encode(Kind.CLIENT, getattr(app, who).client_id)


def group_id(app: App) -> str:
    return ids.encode(Kind.GROUP, app.group.id)


async def test_an_unknown_id_is_not_found(app: App) -> None:
    assert await app.answer("admin", CLIENT, id=UNKNOWN[Kind.CLIENT]) is None
    assert await app.answer("admin", CLIENT, **NONSENSE) is None
    foreign = [NONSENSE, {"id": UNKNOWN[Kind.SEND]}]
    for document, kind in (
        (UPDATE_GROUP, Kind.GROUP),
        (UPDATE_CLIENT, Kind.CLIENT),
        (UPDATE_USER, Kind.USER),
    ):
        for given in [{"id": UNKNOWN[kind]}, *foreign]:
            answer = await app.answer("admin", document, input=given)
            assert answer == {"__typename": "NotFound", "message": f"No such {kind.word}."}
    for document, variables in (
        (CREATE_CLIENT, {"name": "Dairy", "groupId": UNKNOWN[Kind.GROUP]}),
        (CREATE_USER, ADA | {"role": "CLIENT", "clientId": UNKNOWN[Kind.CLIENT]}),
        (UPDATE_CLIENT, {"id": client_id(app), "groupId": "nonsense"}),
        (UPDATE_CLIENT, {"id": client_id(app), "groupId": UNKNOWN[Kind.GROUP]}),
    ):
        answer = await app.answer("admin", document, input=variables)
        assert answer["__typename"] == "NotFound"
    empty = await app.answer("admin", CLIENTS, groupId=UNKNOWN[Kind.GROUP])
    assert (empty["nodes"], empty["totalCount"]) == ([], 0)


async def test_a_group_is_created_changed_and_cleared(app: App) -> None:
    given: dict[str, Any] = {"name": " Schools ", "ratePerUnitUsd": "0.030"}
    made = await app.answer("admin", CREATE_GROUP, input=given)
    assert (made["name"], made["ratePerUnitUsd"]) == ("Schools", "0.03")
    changed = await app.answer("admin", UPDATE_GROUP, input={"id": made["id"], "name": "Towns"})
    assert (changed["name"], changed["ratePerUnitUsd"]) == ("Towns", "0.03")
    given = {"id": made["id"], "ratePerUnitUsd": None}
    cleared = await app.answer("admin", UPDATE_GROUP, input=given)
    assert (cleared["name"], cleared["ratePerUnitUsd"]) == ("Towns", None)
    names = [group["name"] for group in await app.answer("admin", GROUPS)]
    assert names == ["MG888", "Others", "Towns"]


async def test_a_client_is_created_found_changed_and_cleared(app: App) -> None:
    given = {
        "name": "Dairy",
        "business": "Milk",
        "groupId": group_id(app),
        "ratePerUnitUsd": "0.05",
        "assignedNumbers": ["(202) 555-0143"],
        "lowBalanceThreshold": 20,
    }
    made = await app.answer("admin", CREATE_CLIENT, input=given)
    assert (made["business"], made["ratePerUnitUsd"], made["status"]) == ("Milk", "0.05", "ACTIVE")
    assert made["group"] == {"id": group_id(app), "name": "MG888"}
    assert made["assignedNumbers"] == ["+12025550143"]
    assert made["lowBalanceThreshold"] == 20
    client_uuid = ids.decode(Kind.CLIENT, made["id"])
    assert made["twilioAccountSid"] == f"AC{client_uuid.hex}"
    assert await app.answer("admin", CLIENT, id=made["id"]) == {
        name: value for name, value in made.items() if name != "__typename"
    }
    only_status = {"id": made["id"], "status": "DORMANT"}
    changed = await app.answer("admin", UPDATE_CLIENT, input=only_status)
    assert changed == made | {"status": "DORMANT"}
    clearable = ["business", "groupId", "ratePerUnitUsd", "assignedNumbers", "lowBalanceThreshold"]
    nothing = dict.fromkeys(clearable)
    cleared = await app.answer("admin", UPDATE_CLIENT, input={"id": made["id"]} | nothing)
    assert cleared == changed | {
        "business": None,
        "group": None,
        "ratePerUnitUsd": None,
        "assignedNumbers": [],
        "lowBalanceThreshold": None,
    }


async def test_clients_are_searched_and_paged(app: App) -> None:
    everybody = await app.answer("admin", CLIENTS)
    assert [node["name"] for node in everybody["nodes"]] == ["Coop", "Bits", "Acme"]
    assert everybody["totalCount"] == 3
    found = await app.answer("admin", CLIENTS, search="bIT")
    assert [node["id"] for node in found["nodes"]] == [client_id(app, "sibling")]
    of_group = await app.answer("admin", CLIENTS, groupId=group_id(app), first=1)
    assert [node["name"] for node in of_group["nodes"]] == ["Bits"]
    after = of_group["pageInfo"]["endCursor"]
    rest = await app.answer("admin", CLIENTS, groupId=group_id(app), first=1, after=after)
    assert [node["name"] for node in rest["nodes"]] == ["Acme"]
    assert not rest["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"role": "ADMIN"}, {"client": None, "group": None}),
        ({"role": "CLIENT", "clientId": "owner"}, {"client": "owner", "group": "group"}),
        ({"role": "CLIENT", "clientId": "loner"}, {"client": "loner", "group": None}),
        ({"role": "SUPERVISOR", "groupId": "group"}, {"client": None, "group": "group"}),
        (
            {"role": "SUPERVISOR", "groupId": "group", "clientId": "owner"},
            {"client": "owner", "group": "group"},
        ),
    ],
)
async def test_a_user_of_each_role_is_created_and_listed(
    app: App, given: dict[str, Any], shown: dict[str, Any]
) -> None:
    places: dict[Any, Any] = {
        None: None,
        "group": group_id(app),
        **{each: client_id(app, each) for each in ("owner", "loner")},
    }
    requested = {name: places.get(value, value) for name, value in given.items()}
    made = await app.answer("admin", CREATE_USER, input=ADA | requested)
    for name, value in shown.items():
        assert made[name] == (None if value is None else {"id": places[value]})
    assert (made["role"], made["disabled"]) == (given["role"], False)
    listed = await app.answer("admin", USERS, clientId=requested.get("clientId"))
    assert listed["nodes"] == [{k: v for k, v in made.items() if k != "__typename"}]
    other = await app.answer("admin", USERS, clientId=client_id(app, "sibling"))
    assert (other["nodes"], other["totalCount"]) == ([], 0)


async def test_only_the_given_fields_of_a_user_change_and_the_last_admin_stays(app: App) -> None:
    ada = await app.answer("admin", CREATE_USER, input=ADA)
    answer = await app.answer("admin", UPDATE_USER, input={"id": ada["id"], "disabled": True})
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "disabled")
    given = {"email": "bob@ibiki.test", "role": "CLIENT", "clientId": client_id(app)}
    bob = await app.answer("admin", CREATE_USER, input=ADA | given)
    disabled = await app.answer("admin", UPDATE_USER, input={"id": bob["id"], "disabled": True})
    assert disabled == bob | {"disabled": True}
    promoted = await app.answer("admin", UPDATE_USER, input={"id": bob["id"], "role": "ADMIN"})
    assert promoted == disabled | {"role": "ADMIN", "client": None, "group": None}
    answer = await app.answer("admin", UPDATE_USER, input={"id": ada["id"], "role": None})
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "role")
