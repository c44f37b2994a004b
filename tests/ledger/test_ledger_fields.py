"""Balances, allocations, statements and provider accounts, looked up by everybody."""

from __future__ import annotations

from typing import Any

import pytest

from domain import ids
from domain.ids import Kind
from tests import db
from tests.installations import App

BALANCES = """query ($id: ID) { balances(clientId: $id) {
    account { accountId unit balance valueUsd ratePerUnitUsd pricePerMessage }
    group { groupId name unit balance unallocated }
    platform { unit pool allocated remaining inFlight providerBalance lastSyncedAt state }
    version } }"""
ALLOCATIONS = """query ($group: ID, $search: String, $first: Int, $after: String) {
    allocations(groupId: $group, search: $search, first: $first, after: $after) {
        nodes { client { name } balance unit ratePerUnitUsd valueUsd group { name } lastSentAt }
        totalCount pageInfo { hasNextPage endCursor } } }"""
TRANSFERS = """query ($id: ID, $kind: TransferKind, $first: Int, $after: String) {
    transfers(clientId: $id, kind: $kind, first: $first, after: $after) {
        nodes { id kind amount unit ratePerUnitUsd balanceAfter valueUsd description sendId
            createdAt } pageInfo { hasNextPage endCursor } totalCount } }"""
FILTERED = """query ($filter: TransferFilter, $orderBy: TransferOrder, $kind: TransferKind) {
    transfers(filter: $filter, orderBy: $orderBy, kind: $kind) {
        nodes { balanceAfter createdAt } } }"""
PROVIDER_ACCOUNTS = """{ providerAccounts { id provider owner { name } unit pricePerMessage
    providerBalance lastCheckedAt platform { pool state } } }"""


def client_id(tenant: db.Tenant) -> str:
    return ids.encode(Kind.CLIENT, tenant.client_id)


async def test_a_client_sees_its_account_and_its_groups_total(app: App) -> None:
    found = await app.answer("owner", BALANCES)
    assert found == {
        "account": {
            "accountId": ids.encode(Kind.ACCOUNT, app.owner.account_id),
            "unit": "credit",
            "balance": 100,
            "valueUsd": "3.00",
            "ratePerUnitUsd": "0.03",
            "pricePerMessage": 1,
        },
        "group": {
            "groupId": ids.encode(Kind.GROUP, app.group.id),
            "name": "MG888",
            "unit": "credit",
            "balance": 170,
            "unallocated": 50,
        },
        "platform": None,
        "version": 3,
    }


def figures(found: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Balance of the account, of the group, and the pool, as far as they are shown."""
    account, group, platform = (found[each] for each in ("account", "group", "platform"))
    return (
        account and account["balance"],
        group and group["balance"],
        platform and platform["pool"],
    )


@pytest.mark.parametrize(
    ("who", "own"),
    [
        ("owner", (100, 170, None)),
        ("loner", (7, None, None)),
        ("supervisor", (None, 170, None)),
        ("direct", (100, 170, None)),
        ("admin", (None, None, 682)),
    ],
)
async def test_users_see_their_own_balances_and_those_of_their_group(
    app: App, who: str, own: Any
) -> None:
    assert figures(await app.answer(who, BALANCES)) == own


async def test_the_operator_sees_the_balances_of_a_client_its_group_and_the_pool(app: App) -> None:
    named = await app.answer("admin", BALANCES, id=client_id(app.sibling))
    assert figures(named) == (20, 170, 682)


async def test_the_operator_sees_the_pool_beside_what_the_provider_said(app: App) -> None:
    await db.accept(app.owner, 3)
    await db.execute(
        "UPDATE provider_account SET reading_raw = '679.5', read_at = '2026-11-20T08:00:00Z'"
    )
    platform = (await app.answer("admin", BALANCES))["platform"]
    assert platform.pop("state") in ("IN_SYNC", "NEEDS_SYNC")  # by the age of the reading
    assert platform == {
        "unit": "credit",
        "pool": 679,
        "allocated": 124,
        "remaining": 555,
        "inFlight": 3,
        "providerBalance": "679.5",
        "lastSyncedAt": "2026-11-20T08:00:00Z",
    }


async def test_a_client_with_its_own_provider_account_sees_that_one(app: App) -> None:
    school = await db.add_school(held=28_570)
    found = await app.answer(school.actor, BALANCES)
    assert figures(found) == (28_570, None, 28_570)
    assert found["account"]["pricePerMessage"] == 50
    assert found["platform"]["state"] == "NEVER_SYNCED"
    [line] = (await app.answer(school.actor, TRANSFERS))["nodes"]
    assert (line["amount"], line["unit"]) == (28_570, "UGX")


async def test_an_allocation_has_its_value_and_its_last_send(app: App) -> None:
    await db.accept(app.owner)
    [node] = (await app.answer("supervisor", ALLOCATIONS, search="acme"))["nodes"]
    assert node.pop("lastSentAt").endswith("Z")
    assert node == {
        "client": {"name": "Acme"},
        "balance": 99,
        "unit": "credit",
        "ratePerUnitUsd": "0.03",
        "valueUsd": "2.97",
        "group": {"name": "MG888"},
    }
    first = await app.answer("admin", ALLOCATIONS, first=2)
    assert first["pageInfo"]["hasNextPage"]
    rest = await app.answer("admin", ALLOCATIONS, after=first["pageInfo"]["endCursor"])
    assert [node["client"]["name"] for node in rest["nodes"]] == ["Acme"]


@pytest.mark.parametrize(
    ("who", "balance"),
    [("owner", 97), ("direct", 97), ("supervisor", 50), ("other_supervisor", 5), ("admin", 500)],
)
async def test_everybody_has_the_statement_of_their_account_group_or_pool(
    app: App, who: str, balance: int
) -> None:
    await db.accept(app.owner, 3)
    nodes = (await app.answer(who, TRANSFERS))["nodes"]
    assert nodes[0]["balanceAfter"] == balance
    assert sum(node["amount"] for node in nodes) == balance


async def test_a_statement_is_paged_and_narrowed(app: App) -> None:
    sends = [await db.accept(app.owner) for _ in range(3)]
    page = await app.answer("owner", TRANSFERS, first=2)
    assert page["totalCount"] is None
    line = page["nodes"][0]
    assert line.pop("id").startswith("trf_")
    assert line.pop("createdAt").endswith("Z")
    assert line == {
        "kind": "SEND",
        "amount": -1,
        "unit": "credit",
        "ratePerUnitUsd": None,
        "balanceAfter": 97,
        "valueUsd": None,
        "description": "Sent 1 message",
        "sendId": ids.encode(Kind.SEND, sends[-1].id),
    }
    rest = await app.answer("owner", TRANSFERS, after=page["pageInfo"]["endCursor"])
    assert [node["balanceAfter"] for node in rest["nodes"]] == [99, 100]
    [opening] = (await app.answer("owner", TRANSFERS, kind="OPENING"))["nodes"]
    assert (opening["amount"], opening["sendId"]) == (100, None)


async def test_a_statement_is_filtered_and_sorted(app: App) -> None:
    for _ in range(3):
        await db.accept(app.owner)
    found = await app.answer("owner", FILTERED, filter={"kind": "SEND"}, orderBy="OLDEST")
    assert [node["balanceAfter"] for node in found["nodes"]] == [99, 98, 97]
    since = found["nodes"][1]["createdAt"]
    found = await app.answer("owner", FILTERED, filter={"createdAfter": since})
    assert [node["balanceAfter"] for node in found["nodes"]] == [97, 98]
    found = await app.answer("owner", FILTERED, filter={"createdBefore": since}, kind="SEND")
    assert [node["balanceAfter"] for node in found["nodes"]] == [99]
    both = await app.ask("owner", FILTERED, filter={"kind": "SEND"}, kind="SYNC")
    assert both["errors"][0]["message"] == "Give kind or filter.kind, not both."


async def test_the_operator_sees_all_provider_accounts(app: App) -> None:
    school = await db.add_school(held=100)
    default, owned = await app.answer("admin", PROVIDER_ACCOUNTS)
    assert default == {
        "id": ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id),
        "provider": "extreme",
        "owner": None,
        "unit": "credit",
        "pricePerMessage": 1,
        "providerBalance": None,
        "lastCheckedAt": None,
        "platform": {"pool": 682, "state": "NEVER_SYNCED"},
    }
    assert owned["id"] == ids.encode(Kind.PROVIDER_ACCOUNT, school.pool.id)
    assert owned["owner"] == {"name": "School"}
