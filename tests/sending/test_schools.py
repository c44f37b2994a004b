"""A school: its status, its price, and its balance, which is read before the first send."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from domain.errors import AccountInactive, InsufficientBalance, ProviderUnavailable
from domain.identity.access import Actor, Role, payer_of
from domain.identity.actors import hash_of_secret
from domain.identity.api_keys import create_api_key
from domain.ledger.credentials import NewCredentials, set_credentials
from domain.ledger.sync import sync
from persistence import store
from tests import db, people
from tests.installations import App

SEND = """
mutation ($input: BulkSendInput!) { bulkSend(input: $input) { __typename
  ... on Send { accepted charged }
  ... on InsufficientBalance { message required available unit }
  ... on UserError { message } } }"""
QUOTE = """
query ($input: QuoteInput!) { quote(input: $input) {
  cost balance affordable } }"""
CHECK = """
mutation { sync { __typename
  ... on Synced { change balances { account { balance unit pricePerMessage }
    platform { providerBalance lastSyncedAt state } } }
  ... on UserError { message } } }"""
STATEMENT = """
{ transfers(first: 10) { nodes { kind amount balanceAfter description } } }"""
NUMBERS = db.generated_numbers(10)


@dataclass
class School:
    """A school whose balance was never read, and its user."""

    app: App
    client_id: UUID
    account_id: UUID
    user_id: UUID
    secret: str

    async def actor(self) -> Actor:
        """The actor as it is now."""
        actor = await store.find_actor_of_key(hash_of_secret(self.secret))
        assert actor is not None
        return actor

    async def ask(self, document: str, **variables: Any) -> Any:
        return await self.app.answer(await self.actor(), document, **variables)

    async def send(self, count: int = 1) -> Any:
        return await self.ask(SEND, input={"to": NUMBERS[:count], "text": "No school today"})

    async def statement(self) -> list[tuple[str, int]]:
        nodes = (await self.ask(STATEMENT))["nodes"]
        return [(node["kind"], node["amount"]) for node in nodes]


@pytest.fixture
async def school(app: App) -> AsyncIterator[School]:
    client = await db.add_client(app.pool, held=0, name="School")
    user = await people.add_user("school@ibiki.test", Role.CLIENT, client_id=client.client_id)
    created = await create_api_key(store, replace(client.actor, user_id=user.id), name="key")
    account = await set_credentials(
        store,
        app.installation.own_accounts,
        NewCredentials(client_id=client.client_id, provider="egosms", username="a", password="b"),
    )
    yield School(app, client.client_id, account.id, user.id, created.secret)
    await db.assert_audit_holds()


async def test_a_check_keeps_the_raw_reading_and_is_a_line_of_the_statement(school: School) -> None:
    for raw, change, units in (("70000", 100_000, 100_000), ("20000", -71_430, 28_570)):
        school.app.upstream.balance_word = raw
        checked = await school.ask(CHECK)
        assert checked["change"] == change
        assert checked["balances"]["account"] == {
            "balance": units,
            "unit": "UGX",
            "pricePerMessage": 50,
        }
        assert checked["balances"]["platform"]["providerBalance"] == raw
        assert checked["balances"]["platform"]["state"] == "IN_SYNC"
    await school.ask(CHECK)
    assert await school.statement() == [("SYNC", 0), ("SYNC", -71_430), ("SYNC", 100_000)]


async def test_the_balance_is_read_before_the_first_send_and_not_again(school: School) -> None:
    school.app.upstream.balance_word = "70"
    assert (await school.actor()).payer.is_unread  # type: ignore[union-attr]
    sent = await school.send(2)
    assert (sent["accepted"], sent["charged"]) == (2, 100)
    assert not (await school.actor()).payer.is_unread  # type: ignore[union-attr]
    school.app.upstream.balance_word = "70000"
    refused = await school.send(1)
    assert refused["__typename"] == "InsufficientBalance", "the balance was not read again"
    assert await school.statement() == [("SEND", -100), ("SYNC", 100)]


async def test_a_cached_actor_does_not_read_the_balance_twice(school: School) -> None:
    school.app.upstream.balance_word = "7000"
    before = await school.actor()
    for _ in range(2):
        requested = {"to": NUMBERS[:1], "text": "Hello"}
        assert (await school.app.answer(before, SEND, input=requested))["charged"] == 50
    assert [kind for kind, _ in await school.statement()] == ["SEND", "SEND", "SYNC"]


async def test_a_quote_reads_the_balance_too(school: School) -> None:
    quoted = await school.ask(QUOTE, input={"to": NUMBERS[:3], "text": "Hello"})
    assert quoted == {"cost": 150, "balance": 0, "affordable": False}
    school.app.upstream.balance_word = "105"
    quoted = await school.ask(QUOTE, input={"to": NUMBERS[:3], "text": "Hello"})
    assert quoted == {"cost": 150, "balance": 150, "affordable": True}


async def test_a_quote_reports_that_the_balance_cannot_be_read_like_a_send(school: School) -> None:
    given = {"to": NUMBERS[:1], "text": "Hello"}
    problem = "__typename ... on UserError { message }"
    quoted = await school.ask(
        f"query ($input: QuoteInput!) {{ quote(input: $input) {{ problem {{ {problem} }} }} }}",
        input=given,
    )
    sent = await school.ask(
        f"mutation ($input: BulkSendInput!) {{ bulkSend(input: $input) {{ {problem} }} }}",
        input=given,
    )
    assert quoted["problem"] == sent
    assert sent["__typename"] == "ProviderUnavailable"


async def test_nothing_is_sent_while_a_balance_that_was_never_read_cannot_be_read(
    school: School,
) -> None:
    refused = await school.send()
    assert refused["__typename"] == "ProviderUnavailable"
    assert await school.statement() == []
    assert await db.statuses() == {}


async def test_a_shortage_names_both_figures_in_a_plain_sentence(school: School) -> None:
    school.app.upstream.balance_word = "70"
    assert await school.send(3) == {
        "__typename": "InsufficientBalance",
        "message": "This takes 150 UGX, but the balance is 100 UGX. Nothing was sent or charged.",
        "required": 150,
        "available": 100,
        "unit": "UGX",
    }
    assert (await school.send(2))["charged"] == 100


async def test_a_message_costs_the_price_of_its_client(school: School) -> None:
    school.app.upstream.balance_word = "70"
    requested = NewCredentials(
        client_id=school.client_id, provider="egosms", username="a", password="b", price=35
    )
    await set_credentials(store, school.app.installation.own_accounts, requested)
    assert (await school.send(2))["charged"] == 70


async def test_after_new_credentials_the_balance_is_read_before_the_next_send(
    school: School,
) -> None:
    school.app.upstream.balance_word = "7000"
    await school.send()
    requested = NewCredentials(
        client_id=school.client_id, provider="egosms", username="other", password="c"
    )
    await set_credentials(store, school.app.installation.own_accounts, requested)
    school.app.upstream.balance_word = "35"
    assert (await school.send(2))["__typename"] == "InsufficientBalance"
    # One message is queued, so that its 50 units are not in the reading of 50.
    assert await db.held(await node_of(school)) == 0


async def test_a_check_that_began_before_new_credentials_is_not_stored(school: School) -> None:
    account = await store.find_provider_account(school.account_id)
    school.app.upstream.balance_word = "70000"
    requested = NewCredentials(
        client_id=school.client_id, provider="egosms", username="other", password="c"
    )
    await set_credentials(store, school.app.installation.own_accounts, requested)
    rules = school.app.installation.sync_rules
    with pytest.raises(ProviderUnavailable, match="changed during the check"):
        await sync(store, school.app.upstream, account, actor_id=None, rules=rules)
    assert (await store.find_provider_account(school.account_id)).read_at is None


async def test_a_failed_check_keeps_the_last_reading_and_says_its_age(school: School) -> None:
    school.app.upstream.balance_word = "70000"
    good = (await school.ask(CHECK))["balances"]["platform"]
    school.app.upstream.balance_word = None
    await db.execute(
        "UPDATE provider_account SET read_at = read_at - interval '5 minutes',"
        " credentials_set_at = credentials_set_at - interval '5 minutes' WHERE id = $1",
        school.account_id,
    )
    failed = await school.ask(CHECK)
    assert failed == {
        "__typename": "ProviderUnavailable",
        "message": "The SMS network cannot be reached at the moment. Try again later."
        " The balance from the last check, 5 minutes ago, is kept.",
    }
    balances = "{ balances { account { balance } platform { providerBalance state } } }"
    now = await school.ask(balances)
    assert now["account"]["balance"] == 100_000
    assert now["platform"] == {
        "providerBalance": good["providerBalance"],
        "state": "PROVIDER_UNREACHABLE",
    }
    assert (await school.send())["charged"] == 50, "sends continue with the last good reading"


@pytest.mark.parametrize(
    "status", ["active", "Active", "ACTIVE", " active ", "Active\t", "aCtIvE\n"]
)
async def test_a_school_that_is_active_in_any_spelling_sends(school: School, status: str) -> None:
    school.app.upstream.balance_word = "7000"
    await db.execute("UPDATE client SET status = $2 WHERE id = $1", school.client_id, status)
    assert (await school.send())["charged"] == 50


@pytest.mark.parametrize("status", ["DORMANT ", "dormant", " Suspended\r\n"])
async def test_a_school_that_is_not_active_is_refused_and_the_log_has_the_stored_word(
    school: School, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    await db.execute("UPDATE client SET status = $2 WHERE id = $1", school.client_id, status)
    with caplog.at_level(logging.INFO):
        refused = await school.send()
    word = status.strip().upper()
    assert refused["__typename"] == "AccountInactive"
    assert word in refused["message"]
    assert f"its status is {status!r}" in caplog.text
    with pytest.raises(AccountInactive):
        payer_of(await school.actor())


async def test_a_status_that_is_none_cannot_be_stored(school: School) -> None:
    for status in ("", "on", "ACTIVE DORMANT"):
        with pytest.raises(Exception, match="client_status_known"):
            await db.execute(
                "UPDATE client SET status = $2 WHERE id = $1", school.client_id, status
            )


async def node_of(school: School) -> UUID:
    rows = await db.fetch("SELECT account_id FROM client WHERE id = $1", school.client_id)
    node: UUID = rows[0]["account_id"]
    return node


def test_a_shortage_is_a_sentence_with_both_figures() -> None:
    short = InsufficientBalance(required=2_350, available=100, unit="UGX")
    assert str(short) == (
        "This takes 2,350 UGX, but the balance is 100 UGX. Nothing was sent or charged."
    )
