"""setProviderCredentials: accounts of schools, their encryption, and moves between pools."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet

from domain import ids
from domain.errors import InvalidInput, NotFound, TryAgain
from domain.hooks.changes import rotate_keys
from domain.ids import Kind, encode, new_id
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.balances import BalanceView, SyncState, Valuation
from domain.ledger.credentials import (
    NOT_CONFIGURED,
    TERMS,
    CredentialsUnreadable,
    NewCredentials,
    NewProviderAccount,
    OwnAccountRules,
    set_credentials,
)
from ibiki.encryption import FernetCipher, log_unreadable
from persistence import store
from tests import db
from tests.installations import App
from tests.locks import blocked, holding

OLD_KEY, NEW_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
CIPHER = FernetCipher([OLD_KEY])
RULES = OwnAccountRules(CIPHER)
PLATFORM_RULES = replace(RULES, platform_providers=frozenset({"egosms"}))
SECRET = "p&ss wörd/%+"
SIGN_IN = {"username": "a school", "password": SECRET}
SET = """
mutation ($input: SetProviderCredentialsInput!) { setProviderCredentials(input: $input) {
  __typename
  ... on ProviderAccount {
    provider unit pricePerMessage providerBalance lastCheckedAt owner { name } platform { state }
  }
  ... on InvalidInput { message field }
  ... on UserError { message }
} }"""


def requested(client_id: UUID, **changed: Any) -> NewCredentials:
    given = {"provider": "egosms", "username": "a school", "password": SECRET, **changed}
    return NewCredentials(client_id=client_id, **given)


async def stored(client_id: UUID) -> dict[str, Any]:
    rows = await db.fetch(
        "SELECT provider_account.*, account.kind, account.parent_id, client.account_id AS charged"
        " FROM provider_account JOIN account ON account.id = provider_account.account_id"
        " JOIN client ON client.id = owner_client_id WHERE client.id = $1",
        client_id,
    )
    return rows[0]


async def test_a_client_gets_its_own_account_in_the_units_of_schools(app: App) -> None:
    school = await db.add_client(app.pool, held=0, name="School")
    given = {
        "clientId": ids.encode(Kind.CLIENT, school.client_id),
        "provider": " EgoSMS ",
        "username": "a school",
        "password": SECRET,
    }
    answer = await app.answer("admin", SET, input=given)
    assert answer == {
        "__typename": "ProviderAccount",
        "provider": "egosms",
        "unit": "UGX",
        "pricePerMessage": 50,
        "providerBalance": None,
        "lastCheckedAt": None,
        "owner": {"name": "School"},
        "platform": {"state": "NEVER_SYNCED"},
    }
    row = await stored(school.client_id)
    assert (row["valuation"], row["kind"], row["parent_id"]) == (Valuation.EGOSMS_OWN, "POOL", None)
    assert row["charged"] == row["account_id"]
    cipher = app.installation.own_accounts.cipher
    assert cipher.decrypt(row["id"], row["credentials"]) == SIGN_IN
    await db.assert_audit_holds()


async def test_new_credentials_replace_the_old_ones_and_end_a_pause(app: App) -> None:
    school = await db.add_client(app.pool, held=0)
    first = await set_credentials(store, RULES, requested(school.client_id, price=40))
    await db.execute(
        "UPDATE provider_account SET paused_at = now(), pause_reason = 'x', read_at = now(),"
        " reading_raw = '70000' WHERE id = $1",
        first.id,
    )
    second = await set_credentials(store, RULES, requested(school.client_id, password="another"))
    assert (second.id, second.price_per_message) == (first.id, 40)
    assert second.platform.state is SyncState.NEEDS_SYNC
    assert second.provider_balance == "70000", "the last reading is kept"
    row = await stored(school.client_id)
    assert CIPHER.decrypt(row["id"], row["credentials"])["password"] == "another"
    assert row["paused_at"] is None
    third = await set_credentials(store, RULES, requested(school.client_id, price=35))
    assert third.price_per_message == 35


async def test_units_and_open_messages_in_another_pool_are_not_left_behind(app: App) -> None:
    school = await db.add_client(app.pool, held=1)
    with pytest.raises(InvalidInput, match="holds 1 unit in another pool"):
        await set_credentials(store, RULES, requested(school.client_id))
    send = await db.accept(school)
    for status in ("QUEUED", "SUBMITTING", "UNKNOWN"):
        await db.execute(
            "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages,"
            " started_at, lease_until) VALUES ($1, $2, $1, 0, 1, now(), now())"
            " ON CONFLICT DO NOTHING",
            send.id,
            app.pool.id,
        )
        await db.execute(
            "UPDATE message SET status = $2, attempt_id = $1 WHERE send_id = $1", send.id, status
        )
        with pytest.raises(InvalidInput, match="not finished") as refused:
            await set_credentials(store, RULES, requested(school.client_id))
        assert refused.value.field == "clientId"
    await db.execute("UPDATE message SET status = 'SENT' WHERE send_id = $1", send.id)
    await set_credentials(store, RULES, requested(school.client_id))
    # From now on it may hold units and have open messages.
    await db.open_with((await stored(school.client_id))["account_id"], 100)
    await set_credentials(store, RULES, requested(school.client_id, password="another"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "extreme"}, "provider"),
        ({"provider": ""}, "provider"),
        ({"username": ""}, "username"),
        ({"password": ""}, "password"),
        ({"username": "a\nb"}, "username"),
        ({"password": "copied\r\n"}, "password"),
        ({"password": " with blanks "}, "password"),
        ({"password": "x" * 256}, "password"),
        ({"price": 0}, "pricePerMessage"),
        ({"price": 10**9 + 1}, "pricePerMessage"),
    ],
)
async def test_an_invalid_sign_in_is_refused_and_not_repeated(
    app: App, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await set_credentials(store, RULES, requested(app.loner.client_id, **change))
    assert refused.value.field == field
    assert SECRET not in str(refused.value)
    assert "copied" not in str(refused.value)
    assert SECRET not in repr(requested(app.loner.client_id))


async def test_a_client_that_does_not_exist_is_not_found(app: App) -> None:
    with pytest.raises(NotFound):
        await set_credentials(store, RULES, requested(UUID(int=404)))


async def test_without_credentials_a_client_comes_under_the_account_of_the_platform(
    app: App,
) -> None:
    school = await db.add_client(app.pool, held=0)
    other = await db.add_client(app.pool, held=0)
    none = {"username": "", "password": ""}
    with pytest.raises(InvalidInput) as refused:
        await set_credentials(store, RULES, requested(school.client_id, **none))
    assert str(refused.value) == NOT_CONFIGURED
    account = await set_credentials(store, PLATFORM_RULES, requested(school.client_id, **none))
    assert (account.owner_client_id, account.unit, account.price_per_message) == (None, "UGX", 50)
    assert (
        await set_credentials(store, PLATFORM_RULES, requested(school.client_id, **none))
    ).id == account.id
    assert (
        await set_credentials(store, PLATFORM_RULES, requested(other.client_id, **none))
    ).id == account.id
    nodes = await db.fetch(
        "SELECT kind, count(*) FROM account WHERE provider_account_id = $1 GROUP BY kind",
        account.id,
    )
    assert {row["kind"]: row["count"] for row in nodes} == {"POOL": 1, "CLIENT": 2}
    # Its own account later, and back to the same one.
    own = await set_credentials(store, PLATFORM_RULES, requested(school.client_id))
    await set_credentials(store, PLATFORM_RULES, requested(school.client_id, **none))
    assert (await set_credentials(store, RULES, requested(school.client_id))).id == own.id
    await db.assert_audit_holds()


@pytest.mark.parametrize("in_group", [True, False])
async def test_no_figure_of_the_client_gets_a_smaller_version(app: App, in_group: bool) -> None:
    group = app.group if in_group else None
    school = await db.add_client(app.pool, held=5, group=group)
    await db.accept(school, 5)
    await db.execute("UPDATE message SET status = 'CANCELLED'")
    views = [
        BalanceView(client_id=school.client_id),
        BalanceView(group_id=app.group.id),
        BalanceView(),
    ]
    before = [(await store.read_balances(view)).version for view in views]
    await set_credentials(store, RULES, requested(school.client_id))
    after = [(await store.read_balances(view)).version for view in views]
    assert all(new >= old for new, old in zip(after, before, strict=True))


async def test_simultaneous_requests_open_one_account(app: App) -> None:
    school = await db.add_client(app.pool, held=0)
    opened = await asyncio.gather(
        *(
            set_credentials(store, RULES, requested(school.client_id, password=f"pw {each}"))
            for each in range(5)
        )
    )
    assert len({each.id for each in opened}) == 1
    row = await stored(school.client_id)
    assert row["charged"] == row["account_id"]
    nodes = await db.fetch("SELECT FROM account WHERE provider_account_id = $1", row["id"])
    assert len(nodes) == 1


async def test_an_allocation_under_way_does_not_reach_the_former_node(app: App) -> None:
    """The node is locked: an allocation that has found it waits, and then finds another one."""
    school = await db.add_client(app.pool, held=0)

    async def move(tx: Any) -> None:
        new = NewProviderAccount(new_id(), "egosms", school.client_id, TERMS["egosms"], 50)
        account = await store.add_provider_account(tx, new)
        await store.put_client_under(tx, school.client_id, account.account_id, as_owner=True)

    async with holding(lambda tx: store.lock_accounts(tx, [school.account_id]), move):
        allocation = AllocationRequest(school.client_id, None, 5, note=None, key=None)
        giving = asyncio.create_task(allocate(store, db.ADMIN, allocation))
        await blocked(giving)
    with pytest.raises(TryAgain):
        await giving
    assert await db.held(school.account_id) == 0


def test_encrypted_credentials_are_of_one_account_and_of_one_installation() -> None:
    account, other = UUID(int=1), UUID(int=2)
    encrypted = CIPHER.encrypt(account, SIGN_IN)
    assert CIPHER.encrypt(account, SIGN_IN) != encrypted
    assert SECRET.encode() not in encrypted
    assert CIPHER.decrypt(account, encrypted) == SIGN_IN
    for cipher, whose, what in (
        (CIPHER, other, encrypted),
        (FernetCipher([NEW_KEY]), account, encrypted),
        (CIPHER, account, encrypted[:-2]),
        (CIPHER, account, b"nonsense"),
    ):
        with pytest.raises(CredentialsUnreadable) as refused:
            cipher.decrypt(whose, what)
        assert SECRET not in str(refused.value)


UNREADABLE = (
    "no key of ENCRYPTION_KEYS, or of the file encryption-keys, decrypts the credentials of"
    " 1 provider account, such as {}: nothing is sent through them. Add the key that is missing and"
    " restart, or set the credentials again"
)


async def test_keys_are_rotated_once_and_again(app: App, caplog: pytest.LogCaptureFixture) -> None:
    schools = [await db.add_client(app.pool, held=0) for _ in range(3)]
    for school in schools:
        await set_credentials(store, RULES, requested(school.client_id))
    lost = (await stored(schools[2].client_id))["id"]
    await db.execute("UPDATE provider_account SET credentials = 'x' WHERE id = $1", lost)
    both = FernetCipher([NEW_KEY, OLD_KEY])
    await log_unreadable(both)
    assert caplog.messages == [UNREADABLE.format(encode(Kind.PROVIDER_ACCOUNT, lost))]
    for _ in range(2):
        rotated, unreadable = await rotate_keys(store, both.rotate)
        assert len(rotated) == 2
        assert unreadable == [(Kind.PROVIDER_ACCOUNT, lost)]
    new = FernetCipher([NEW_KEY])
    for school in schools[:2]:
        row = await stored(school.client_id)
        assert new.decrypt(row["id"], row["credentials"]) == SIGN_IN
        with pytest.raises(CredentialsUnreadable):
            CIPHER.decrypt(row["id"], row["credentials"])
