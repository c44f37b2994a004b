"""Provider accounts of the platform: added, changed and paused while the program runs."""

from __future__ import annotations

from typing import Any

import pytest

from domain import ids
from domain.dispatch.recording import give_up_overdue
from domain.dispatch.rules import DispatchRules
from domain.hooks.changes import rotate_keys
from domain.ids import Kind
from domain.ledger.sync import account_to_sync, sync
from ibiki.encryption import FernetCipher
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, Scripted, dispatching, marked, statuses_become
from tests.installations import ENCRYPTION_KEY, App

SECRET = "not-to-be-seen"
URL = "http://127.0.0.1:9"
SHOWN = """__typename
  ... on ProviderAccount {
    id provider name isDefault unit pricePerMessage messagesPerSecond paused
    configuration { name value }
    platform { pool state alarms { kind message count } }
  }
  ... on InvalidInput { message field }
  ... on UserError { message }"""
CREATE = f"""mutation ($input: CreateProviderAccountInput!) {{
  createProviderAccount(input: $input) {{ {SHOWN} }} }}"""
UPDATE = f"""mutation ($input: UpdateProviderAccountInput!) {{
  updateProviderAccount(input: $input) {{ {SHOWN} }} }}"""
WITHOUT_INVALID_INPUT = SHOWN.replace("... on InvalidInput { message field }", "")
PAUSE = f"""mutation ($input: PauseProviderAccountInput!) {{
  pauseProviderAccount(input: $input) {{ {WITHOUT_INVALID_INPUT} }} }}"""


def values(**given: str | None) -> list[dict[str, str | None]]:
    return [{"name": name, "value": value} for name, value in given.items()]


GIVEN = {"provider": "extreme", "configuration": values(baseUrl=URL, apiKey=SECRET)}


async def created(app: App, **changed: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await app.answer("admin", CREATE, input={**GIVEN, **changed})
    assert answer["__typename"] == "ProviderAccount", answer
    return answer


async def row_of(shown_id: str) -> dict[str, Any]:
    key = ids.decode(Kind.PROVIDER_ACCOUNT, shown_id)
    return (await db.fetch("SELECT * FROM provider_account WHERE id = $1", key))[0]


async def test_an_admin_adds_an_account_whose_secret_cannot_be_read(app: App) -> None:
    account = await created(app, name="Second", messagesPerSecond=30)
    assert account["configuration"] == values(baseUrl=URL)
    assert (account["unit"], account["pricePerMessage"], account["isDefault"]) == (
        "credit",
        1,
        False,
    )
    assert (account["name"], account["messagesPerSecond"]) == ("Second", 30)
    assert account["platform"]["state"] == "NEVER_SYNCED"
    row = await row_of(account["id"])
    assert SECRET.encode() not in row["credentials"]
    assert SECRET not in str(row["configuration"])
    cipher = app.installation.own_accounts.cipher
    assert cipher.decrypt(row["id"], row["credentials"]) == {"apiKey": SECRET}
    assert await rotate_keys(store, FernetCipher([ENCRYPTION_KEY]).rotate) == (
        [(Kind.PROVIDER_ACCOUNT, row["id"])],
        [],
    )
    found = await store.find_provider_account(row["id"])
    app.upstream.balance_word = "700"
    await sync(
        store,
        app.upstream,
        await account_to_sync(store, db.ADMIN, found.id),
        actor_id=None,
        rules=app.installation.sync_rules,
    )
    listed = await app.answer("admin", "{ providerAccounts { id platform { pool } } }")
    assert {"id": account["id"], "platform": {"pool": 700}} in listed
    await db.assert_audit_holds()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"configuration": []}, "configuration"),
        ({"configuration": values(baseUrl=URL)}, "configuration"),
        ({"configuration": values(baseUrl=URL, apiKey="")}, "configuration"),
        ({"configuration": values(baseUrl=URL, apiKey=f"{SECRET}\n")}, "configuration"),
        ({"configuration": values(baseUrl=URL, apiKey=f"{SECRET}ü")}, "configuration"),
        ({"configuration": values(baseUrl=URL, apiKey=SECRET, x="y")}, "configuration"),
        ({"configuration": values(baseUrl="a host", apiKey=SECRET)}, "configuration"),
        (
            {"configuration": values(baseUrl=f"http://a:{SECRET}@[::1]", apiKey="k")},
            "configuration",
        ),
        ({"name": " "}, "name"),
        ({"unit": "two words"}, "unit"),
        ({"pricePerMessage": 0}, "pricePerMessage"),
        ({"messagesPerSecond": 0}, "messagesPerSecond"),
    ],
)
async def test_a_configuration_that_cannot_work_is_refused_before_anything_is_stored(
    app: App, change: dict[str, Any], field: str
) -> None:
    answer = await app.answer("admin", CREATE, input={**GIVEN, **change})
    assert (answer["__typename"], answer.get("field")) == ("InvalidInput", field)
    assert SECRET not in str(answer)
    assert len(await db.fetch("SELECT FROM provider_account")) == 1


async def test_a_change_keeps_what_it_does_not_name(app: App) -> None:
    account = await created(app, name="Second")
    before = await row_of(account["id"])
    given = {"id": account["id"], "configuration": values(baseUrl="http://127.0.0.1:8")}
    answer = await app.answer("admin", UPDATE, input=given)
    assert (answer["configuration"], answer["name"]) == (
        values(baseUrl="http://127.0.0.1:8"),
        "Second",
    )
    row = await row_of(account["id"])
    cipher = app.installation.own_accounts.cipher
    assert cipher.decrypt(row["id"], row["credentials"]) == {"apiKey": SECRET}
    assert row["credentials_set_at"] is not None
    assert before["credentials_set_at"] is None
    for wrong in (values(baseUrl="x"), values(apiKey=None), None):
        refused = await app.answer(
            "admin", UPDATE, input={"id": account["id"], "configuration": wrong}
        )
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", "configuration")
    assert await row_of(account["id"]) == row, "nothing was stored"
    cleared = await app.answer(
        "admin", UPDATE, input={"id": account["id"], "name": None, "messagesPerSecond": 5}
    )
    assert (cleared["name"], cleared["messagesPerSecond"]) == (None, 5)


async def test_another_account_becomes_the_default_and_clients_stay(app: App) -> None:
    former = ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id)
    second = await created(app)
    answer = await app.answer("admin", UPDATE, input={"id": second["id"], "isDefault": True})
    assert answer["isDefault"] is True
    defaults = await db.fetch("SELECT id FROM provider_account WHERE is_default")
    assert [row["id"] for row in defaults] == [ids.decode(Kind.PROVIDER_ACCOUNT, second["id"])]
    third = await created(app, isDefault=True)
    assert third["isDefault"] is True
    new = await app.answer(
        "admin", 'mutation { createClient(input: {name: "New"}) { ... on Client { id } } }'
    )
    [row] = await db.fetch(
        "SELECT provider_account_id AS id FROM client JOIN account ON account.id = account_id"
        " WHERE client.id = $1",
        ids.decode(Kind.CLIENT, new["id"]),
    )
    assert row["id"] == ids.decode(Kind.PROVIDER_ACCOUNT, third["id"])
    refused = await app.answer("admin", UPDATE, input={"id": third["id"], "isDefault": False})
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "isDefault")
    back = await app.answer("admin", UPDATE, input={"id": former, "isDefault": True})
    assert back["isDefault"] is True
    await db.accept(app.owner)
    await db.assert_audit_holds()


async def test_a_paused_account_takes_no_message_and_loses_none(app: App) -> None:
    account = {"id": ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id)}
    provider = Scripted()
    async with dispatching(provider):
        paused = await app.answer("admin", PAUSE, input={**account, "paused": True})
        assert paused["paused"] is True
        await db.accept(app.owner, 3)
        assert await marked(app.pool) == ()
        # A person decides how long messages wait: they are not given up meanwhile.
        await db.execute(
            "UPDATE message SET attempts = 1, created_at = now() - interval '2 d', due_at = now()"
        )
        rules = DispatchRules(give_up_seconds=1)
        assert await give_up_overdue(store, app.pool.id, rules=rules) is False
        again = await app.answer("admin", PAUSE, input={**account, "paused": True})
        [alarm] = [each for each in again["platform"]["alarms"] if each["kind"] == "PAUSED"]
        assert (alarm["count"], "3 messages wait" in alarm["message"]) == (3, True)
        assert await db.statuses() == {"QUEUED": 3}
        assert provider.calls == []
        resumed = await app.answer("admin", PAUSE, input={**account, "paused": False})
        assert resumed["paused"] is False
        assert "PAUSED" not in str(resumed["platform"]["alarms"])
        await statuses_become({"SENT": 3})
    assert len(provider.seen) == 3
    await db.assert_audit_holds()


async def test_a_paused_account_that_the_provider_refused_is_not_probed(app: App) -> None:
    await db.execute(
        "UPDATE provider_account SET paused_at = now(), probe_at = now() - interval '1 s',"
        " stopped_at = now()"
    )
    await db.accept(app.owner)
    provider = Scripted()
    async with dispatching(provider, rules=QUICK):
        for _ in range(3):
            await marked(app.pool)
        assert provider.calls == []
        key = ids.encode(Kind.PROVIDER_ACCOUNT, app.pool.id)
        await app.answer("admin", PAUSE, input={"id": key, "paused": False})
        await statuses_become({"SENT": 1})


async def test_a_clients_own_account_and_one_that_does_not_exist(app: App) -> None:
    school = await db.add_school()
    own = ids.encode(Kind.PROVIDER_ACCOUNT, school.pool.id)
    nobody = ids.encode(Kind.PROVIDER_ACCOUNT, school.client_id)
    refused = await app.answer("admin", UPDATE, input={"id": own, "name": "x"})
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "id")
    paused = await app.answer("admin", PAUSE, input={"id": own, "paused": True})
    assert paused["paused"] is True
    for document, given in ((UPDATE, {"name": "x"}), (PAUSE, {"paused": True})):
        assert (await app.answer("admin", document, input={"id": nobody, **given}))[
            "__typename"
        ] == "NotFound"


async def test_the_console_learns_which_values_an_account_has(app: App) -> None:
    kinds = await app.answer(
        "admin", "{ providerKinds { name fields { name required secret default } } }"
    )
    extreme = next(each for each in kinds if each["name"] == "extreme")
    assert {each["name"]: each["secret"] for each in extreme["fields"]} == {
        "baseUrl": False,
        "apiKey": True,
    }
