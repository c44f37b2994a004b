"""Routes by country prefix: the longest prefix wins, and only an admin sets one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ids
from domain.ids import Kind, new_id
from domain.sending.recipients import ProviderRoute, RouteTable
from tests import db
from tests.installations import App

POOL, OTHER_POOL, ACCOUNT = (UUID(int=each) for each in (1, 2, 3))
SET = """mutation ($input: SetProviderRouteInput!) { setProviderRoute(input: $input) { __typename
  ... on ProviderRoute { id poolId prefix providerAccountId cost fallbackAccountId fallbackCost }
  ... on InvalidInput { message field } ... on UserError { message } } }"""
DELETE = """mutation ($input: DeleteProviderRouteInput!) { deleteProviderRoute(input: $input) {
  __typename ... on UserError { message } } }"""
LIST = "{ providerRoutes { id prefix cost } }"


def route(prefix: str, pool_id: UUID = POOL) -> ProviderRoute:
    return ProviderRoute(new_id(), pool_id, prefix, ACCOUNT, 1)


TABLE = RouteTable([route(each) for each in ("1", "1202", "1202555", "256", "2567")])


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+12025550142", "1202555"),
        ("+12025", "1202"),
        ("+1305", "1"),
        ("+2563", "256"),
        ("+25671", "2567"),
        ("+447", None),
        ("+25", None),
    ],
)
def test_the_longest_prefix_wins(number: str, prefix: str | None) -> None:
    found = TABLE.find(POOL, number)
    assert (found.prefix if found else None) == prefix
    assert TABLE.find(OTHER_POOL, number) is None


@given(
    st.sets(st.text("123", min_size=1, max_size=7)),
    st.lists(st.text("123", min_size=1, max_size=15)),
)
def test_a_table_finds_what_comparing_all_prefixes_finds(
    prefixes: set[str], digits: list[str]
) -> None:
    table = RouteTable([route(each) for each in prefixes])
    numbers = [f"+{each}" for each in digits]
    expected = [
        max((p for p in prefixes if each.startswith(p)), key=len, default=None) for each in digits
    ]
    chosen = [each and each.prefix for each in table.choose(POOL, numbers)]
    assert chosen == (expected if any(expected) else [])
    assert table.choose(OTHER_POOL, numbers) == ()


async def test_setting_a_route_again_retires_the_former_one(app: App) -> None:
    second = await db.add_pool(default=False)
    account = ids.encode(Kind.PROVIDER_ACCOUNT, second.id)
    given = {"prefix": "+256", "providerAccountId": account}
    first = await app.answer("admin", SET, input=given)
    assert first == {
        "__typename": "ProviderRoute",
        "id": first["id"],
        "poolId": ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id),
        "prefix": "256",
        "providerAccountId": account,
        "cost": 1,
        "fallbackAccountId": None,
        "fallbackCost": None,
    }
    own = ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id)
    changed = await app.answer("admin", SET, input={**given, "cost": 3, "fallbackAccountId": own})
    assert (changed["cost"], changed["fallbackCost"]) == (3, 1)
    listed = await app.answer("admin", LIST)
    assert listed == [{"id": changed["id"], "prefix": "256", "cost": 3}]
    table = app.installation.routes.table
    assert table.find(app.pool.id, "+2563") is not None, "this process uses it at once"
    assert (await app.answer("admin", DELETE, input={"id": first["id"]}))["__typename"] == (
        "NotFound"
    )
    await app.answer("admin", DELETE, input={"id": changed["id"]})
    assert await app.answer("admin", LIST) == []
    assert app.installation.routes.table.find(app.pool.id, "+2563") is None
    assert len(await db.fetch("SELECT FROM provider_route")) == 2, "messages may name them"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prefix": ""}, "prefix"),
        ({"prefix": "0256"}, "prefix"),
        ({"prefix": "25600000"}, "prefix"),
        ({"prefix": "2a"}, "prefix"),
        ({"prefix": "٢٥٦"}, "prefix"),
        ({"cost": -1}, "cost"),
        ({"cost": 10**9 + 1}, "cost"),
        ({"fallbackCost": 1}, "fallbackCost"),
        ({"fallbackAccountId": "own"}, "fallbackAccountId"),
        ({"providerAccountId": "school"}, "providerAccountId"),
        ({"poolId": "school"}, "poolId"),
    ],
)
async def test_a_route_that_cannot_work_is_refused(
    app: App, change: dict[str, Any], field: str
) -> None:
    school = await db.add_school()
    known = {"own": app.pool.id, "school": school.pool.id}
    named = {name: known.get(str(value)) for name, value in change.items()}
    shown = {
        name: ids.encode(Kind.PROVIDER_ACCOUNT, key) if key else change[name]
        for name, key in named.items()
    }
    given = {"prefix": "1", "providerAccountId": ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id)}
    answer = await app.answer("admin", SET, input={**given, **shown})
    assert (answer["__typename"], answer.get("field")) == ("InvalidInput", field)


async def test_numbers_of_one_bulk_go_by_several_accounts_and_the_client_sees_one_charge(
    app: App,
) -> None:
    second = await db.add_pool(held=50, default=False)
    given = {"prefix": "1202220", "providerAccountId": ids.encode(Kind.PROVIDER_ACCOUNT, second.id)}
    await app.answer("admin", SET, input=given)
    sent = await app.answer(
        "owner",
        'mutation ($to: [String!]!) { bulkSend(input: {to: $to, text: "Hi"}) {'
        " ... on Send { accepted charged } } }",
        to=[*db.generated_numbers(1), "+12025550142"],
    )
    assert sent == {"accepted": 2, "charged": 2}
    rows = await db.fetch("SELECT number, provider_account_id, route_id FROM message")
    accounts = {row["number"]: row["provider_account_id"] for row in rows}
    assert accounts == {db.generated_numbers(1)[0]: second.id, "+12025550142": app.pool.id}
    assert sum(row["route_id"] is not None for row in rows) == 1
    shown = await app.answer("owner", "{ transfers(first: 5) { nodes { kind amount } } }")
    assert shown["nodes"][0] == {"kind": "SEND", "amount": -2}
    await db.assert_audit_holds()
