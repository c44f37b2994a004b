"""Allocating and syncing, requested by every role."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain import ids
from domain.ids import Kind
from domain.ledger.credentials import CredentialsUnreadable
from domain.ledger.sync import SyncRules
from domain.provider import Reading
from tests import db
from tests.installations import App, Upstream

ALLOCATE = """mutation ($input: AllocateInput!) { allocate(input: $input) {
    __typename ... on UserError { message }
    ... on InsufficientPool { required available unit }
    ... on InsufficientBalance { required available unit }
    ... on InvalidInput { field }
    ... on Allocated {
        allocation { client { name } balance valueUsd }
        transfer { id kind amount balanceAfter valueUsd description }
        balances { account { balance } group { balance unallocated }
            platform { pool allocated remaining } version } } } }"""
SYNC = """mutation ($input: SyncInput) { sync(input: $input) {
    __typename ... on UserError { message }
    ... on Synced { previousPool change inFlight checkedAt
        balances { account { balance } platform { pool remaining providerBalance state } } } } }"""
UNKNOWN = UUID(int=404)


def to_client(tenant: db.Tenant, units: int, **more: Any) -> dict[str, Any]:
    return {"clientId": ids.encode(Kind.CLIENT, tenant.client_id), "units": units, **more}


def to_group(group: db.Group, units: int) -> dict[str, Any]:
    return {"groupId": ids.encode(Kind.GROUP, group.id), "units": units}


async def test_the_operator_gives_a_client_units_of_the_pool(app: App) -> None:
    given = to_client(app.owner, 200, note="Invoice 7", idempotencyKey="once")
    answer = await app.answer("admin", ALLOCATE, input=given)
    assert answer["transfer"].pop("id").startswith("trf_")
    assert answer["balances"].pop("version") > 0
    assert answer == {
        "__typename": "Allocated",
        "allocation": {"client": {"name": "Acme"}, "balance": 300, "valueUsd": "9.00"},
        "transfer": {
            "kind": "ALLOCATION",
            "amount": 200,
            "balanceAfter": 300,
            "valueUsd": "6.00",
            "description": "Allocated 200 credits at $0.03: $6.00. Invoice 7",
        },
        "balances": {
            "account": {"balance": 300},
            "group": {"balance": 370, "unallocated": 50},
            "platform": {"pool": 682, "allocated": 327, "remaining": 355},
        },
    }
    again = await app.answer("admin", ALLOCATE, input=given)
    assert again["transfer"]["balanceAfter"] == 300
    assert again["balances"]["account"] == {"balance": 300}
    conflict = await app.answer("admin", ALLOCATE, input={**given, "units": 1})
    assert conflict["__typename"] == "IdempotencyConflict"


async def test_the_operator_takes_units_back(app: App) -> None:
    answer = await app.answer("admin", ALLOCATE, input=to_client(app.owner, -30))
    transfer = answer["transfer"]
    assert (transfer["amount"], transfer["balanceAfter"]) == (-30, 70)
    assert transfer["description"] == "Took back 30 credits at $0.03: $0.90"
    answer = await app.answer("admin", ALLOCATE, input=to_client(app.owner, -71))
    assert answer.pop("message")
    assert answer == {
        "__typename": "InsufficientBalance",
        "required": 71,
        "available": 70,
        "unit": "credit",
    }


async def test_the_operator_gives_a_group_units(app: App) -> None:
    answer = await app.answer("admin", ALLOCATE, input=to_group(app.group, 500))
    assert answer["allocation"] is None
    assert answer["balances"]["account"] is None
    assert answer["balances"]["group"] == {"balance": 670, "unallocated": 550}
    assert answer["transfer"]["amount"] == 500
    answer = await app.answer("admin", ALLOCATE, input=to_group(app.group, 1))
    assert (answer["__typename"], answer["available"]) == ("InsufficientPool", 0)


async def test_a_supervisor_shares_out_what_the_group_holds(app: App) -> None:
    answer = await app.answer("supervisor", ALLOCATE, input=to_client(app.sibling, 50))
    assert answer["allocation"]["balance"] == 70
    assert answer["balances"]["group"] == {"balance": 170, "unallocated": 0}
    assert answer["balances"]["platform"] is None
    answer = await app.answer("supervisor", ALLOCATE, input=to_client(app.sibling, 1))
    assert answer["__typename"] == "InsufficientPool"


async def test_an_allocation_of_nothing_or_without_one_target_is_refused(app: App) -> None:
    both = {**to_client(app.owner, 1), **to_group(app.group, 1)}
    for given, field in (
        ({"units": 1}, "clientId"),
        ({"units": 0, "groupId": None}, "clientId"),
        (to_client(app.owner, 0), "units"),
        (both, "clientId"),
    ):
        answer = await app.answer("admin", ALLOCATE, input=given)
        assert (answer["__typename"], answer["field"]) == ("InvalidInput", field)


async def test_a_sync_sets_the_pool_to_the_reading_of_the_provider(app: App) -> None:
    await db.accept(app.owner, 2)
    app.upstream.balance_word = "1000"
    answer = await app.answer("admin", SYNC)
    assert answer.pop("checkedAt").endswith("Z")
    assert answer == {
        "__typename": "Synced",
        "previousPool": 680,
        "change": 318,
        "inFlight": 2,
        "balances": {
            "account": None,
            "platform": {
                "pool": 998,
                "remaining": 873,
                "providerBalance": "1000",
                "state": "IN_SYNC",
            },
        },
    }
    named = {"providerAccountId": ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id)}
    assert (await app.answer("admin", SYNC, input=named))["change"] == 0


async def test_sync_holds_back_marks_for_as_long_as_the_dispatch_settings_require(app: App) -> None:
    pauses: list[float] = []

    class Provider(Upstream):
        async def balance(self) -> Reading:
            (row,) = await db.fetch(
                "SELECT extract(epoch FROM reading_until - clock_timestamp())::float8 AS seconds"
                " FROM provider_account WHERE is_default"
            )
            pauses.append(row["seconds"])
            return Reading("10", Decimal(10))

    rules = SyncRules(lease_seconds=600, deadline_seconds=60)
    installation = replace(app.installation, sync_rules=rules, providers=Provider())
    await replace(app, installation=installation).answer("admin", SYNC)
    assert 700 < pauses[0] <= 720


async def test_a_provider_that_says_nothing_is_unavailable_in_our_words(app: App) -> None:
    answer = await app.answer("admin", SYNC)
    assert answer["__typename"] == "ProviderUnavailable"
    assert "extreme" not in answer["message"].lower()


async def test_only_an_operator_reads_why_a_provider_cannot_be_reached(app: App) -> None:
    """A client reads a short sentence instead, because it cannot change the reason."""
    school = await db.add_school(held=0)

    class Unreachable(Upstream):
        async def of(self, provider_account_id: UUID) -> Upstream:
            raise CredentialsUnreadable

    for providers, reason, for_operator in (
        (app.upstream, "The SMS network cannot be reached", "The connection was refused."),
        (Unreachable(), "Your operator has to set it again.", "No key of ENCRYPTION_KEYS"),
    ):
        installation = replace(app.installation, providers=providers)
        changed = replace(app, installation=installation)
        for who, reads, not_read in (
            ("admin", for_operator, reason),
            (school.actor, reason, for_operator),
        ):
            message = (await changed.answer(who, SYNC))["message"]
            assert reads in message
            assert not_read not in message


async def test_an_unknown_provider_account_is_not_found(app: App) -> None:
    for each in (ids.encode(Kind.PROVIDER_ACCOUNT, UNKNOWN), "nonsense"):
        answer = await app.answer("admin", SYNC, input={"providerAccountId": each})
        assert answer == {"__typename": "NotFound", "message": "No such provider account."}


async def test_only_an_admin_enters_a_balance_by_hand_and_only_if_the_provider_reports_none(
    app: App,
) -> None:
    school = await db.add_school(held=0)
    assert await app.code(school.actor, SYNC, input={"reading": 5}) == "FORBIDDEN"
    assert await app.code("admin", SYNC, input={"reading": 5}) == "BAD_USER_INPUT"


async def test_a_client_checks_the_balance_of_its_own_provider_account(app: App) -> None:
    school = await db.add_school(held=0)
    app.upstream.balance_word = "70000"
    answer = await app.answer(school.actor, SYNC)
    assert answer["balances"]["account"] == {"balance": answer["balances"]["platform"]["pool"]}
    assert answer["balances"]["platform"]["providerBalance"] == "70000"
    foreign = ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id)
    for each in (foreign, "nonsense"):
        found = await app.answer(school.actor, SYNC, input={"providerAccountId": each})
        assert found == {"__typename": "NotFound", "message": "No such provider account."}
