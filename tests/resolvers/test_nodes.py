"""node(id:) finds an object of every type that implements Node."""

from __future__ import annotations

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType

from domain import ids
from domain.ids import Kind
from resolvers.nodes import FINDERS
from schema.values import IdField
from tests import db
from tests.installations import ENGINE, App

NODE = """query ($id: ID!) { node(id: $id) { __typename id
    ... on Send { accepted messages { nodes { id } } } ... on Client { name } } }"""
INTERFACE = ENGINE.schema.type_map["Node"]


def test_each_type_with_an_id_is_a_node_or_is_known_not_to_be_one() -> None:
    assert isinstance(INTERFACE, GraphQLInterfaceType)
    kinds: dict[str, Kind] = {}
    for name, type_ in ENGINE.schema.type_map.items():
        own = type_.fields.get("id") if isinstance(type_, GraphQLObjectType) else None
        declared = own.extensions.get("strawberry-definition") if own else None
        if isinstance(declared, IdField):
            kinds[name] = declared.kind
    nodes = {each.name for each in ENGINE.schema.get_possible_types(INTERFACE)}
    assert set(kinds) - nodes == {"ProviderRoute", "Template", "Transfer", "Viewer"}
    assert {kinds[name] for name in nodes} == set(FINDERS)


async def test_the_type_of_a_node_can_be_selected(app: App) -> None:
    send = await db.accept(app.owner, 2)
    found = await app.answer("owner", NODE, id=ids.encode(Kind.SEND, send.id))
    assert (found["__typename"], found["accepted"]) == ("Send", 2)
    assert len(found["messages"]["nodes"]) == 2
    client = await app.answer("owner", NODE, id=ids.encode(Kind.CLIENT, app.owner.client_id))
    assert (client["__typename"], client["name"]) == ("Client", "Acme")


@pytest.mark.parametrize("id", ["", "nonsense", "snd_", "upl_00000000000000000000000000", "snd_é"])
async def test_an_id_that_cannot_exist_is_null(app: App, id: str) -> None:
    assert await app.answer("owner", NODE, id=id) is None


async def test_a_user_without_an_account_gets_null_for_a_message(app: App) -> None:
    send = await db.accept(app.owner)
    for who in ("supervisor", "sibling"):
        assert await app.answer(who, NODE, id=ids.encode(Kind.SEND, send.id)) is None
