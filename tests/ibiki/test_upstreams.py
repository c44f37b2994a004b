"""Opens provider accounts with their present address and credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.fernet import Fernet

from domain.errors import InvalidInput, ProviderUnavailable
from domain.ledger.credentials import NewCredentials, OwnAccountRules, set_credentials
from domain.ledger.provider_accounts import (
    AccountChange,
    NewAccount,
    create_provider_account,
    update_provider_account,
)
from domain.provider import Accepted, OutgoingMessage, Provider, SupportsBalance
from ibiki.encryption import FernetCipher
from ibiki.settings.settings import load
from ibiki.upstreams import LAST_FILE, SIMULATOR_URL_FILE, Upstreams, provider_changed
from persistence import store
from providers.simulator.egosms import DEMO_BALANCE, DEMO_PASSWORD, DEMO_USERNAME
from tests import db
from tests.dispatch.parts import eventually
from tests.providers.far_end import FarEnd, listening
from tests.providers.recorder import recorder
from tests.providers.simulated import simulated

URL = "EXTREME_API_URL"


def test_a_changed_provider_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def starts(url: str | None) -> bool:
        monkeypatch.delenv(URL, raising=False) if url is None else monkeypatch.setenv(URL, url)
        return provider_changed(load(tmp_path), tmp_path)

    assert not starts(None)
    assert not starts(None)
    assert starts("https://sms.example")
    assert not starts("https://sms.example")
    assert starts("https://other.example")
    assert starts(None)
    (tmp_path / LAST_FILE).write_bytes(b"\xff\xfe")
    assert starts(None), "a damaged file"
    assert not starts(None)


SCHOOL_RULES = OwnAccountRules(FernetCipher([Fernet.generate_key().decode()]))


@pytest.fixture
async def school(database_url: str) -> AsyncIterator[UUID]:
    """A client that holds nothing, in a connected database."""
    async with db.connected(database_url):
        yield (await db.add_client(held=0)).client_id


def upstreams_at(directory: Path) -> Upstreams:
    return Upstreams(load(directory), directory, SCHOOL_RULES.cipher)


async def set_for(client_id: UUID, username: str, password: str) -> UUID:
    requested = NewCredentials(
        client_id=client_id, provider="egosms", username=username, password=password
    )
    return (await set_credentials(store, SCHOOL_RULES, requested)).id


async def balance_of(provider: Provider) -> str:
    assert isinstance(provider, SupportsBalance)
    return (await provider.balance()).raw


@pytest.mark.parametrize("path", ["/api/v1/json/", "/api/v1/plain/?"])
async def test_new_credentials_are_used_by_the_next_call_of_every_process(
    school: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async with simulated() as simulator:
        monkeypatch.setenv("SMS_API_URL", simulator.base_url + path)
        await simulator.control("egosms", username="first", password="old", balance=70)
        await simulator.control("egosms", username="second", password="pw", balance=140)
        account_id = await set_for(school, "first", "old")
        processes = [upstreams_at(tmp_path / str(each)) for each in range(2)]
        opened = [await each.of(account_id) for each in processes]
        assert [await balance_of(each) for each in opened] == ["70", "70"]
        assert [await each.of(account_id) for each in processes] == opened, "it stays open"
        await set_for(school, "second", "pw")
        for each in processes:
            assert await balance_of(await each.of(account_id)) == "140"
        # A call that was under way may still end.
        assert await balance_of(opened[0]) == "70"
        for each in processes:
            await each.close()


async def test_a_new_configuration_is_used_by_every_process_within_seconds(
    school: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPBACK_ONLY", "true")
    processes = [upstreams_at(tmp_path / str(each)) for each in range(2)]
    async with simulated() as first, simulated() as second:
        values = {"baseUrl": first.base_url, "apiKey": "simulated"}
        new = NewAccount(provider="extreme", configuration=values)
        account = await create_provider_account(store, processes[0], SCHOOL_RULES, new)
        before = [await each.of(account.id) for each in processes]
        await second.control("balance", balance=77)
        change = AccountChange(configuration={"baseUrl": second.base_url})
        await update_provider_account(store, processes[0], SCHOOL_RULES, account.id, change)

        async def is_open_again() -> bool:
            opened = [await each.of(account.id) for each in processes]
            return not set(map(id, opened)) & set(map(id, before))

        await eventually(is_open_again)
        assert {await balance_of(await each.of(account.id)) for each in processes} == {"77"}
        # The secret was kept: without it, the simulator would have refused the call.
        refused = AccountChange(configuration={"baseUrl": "https://sms.example"})
        with pytest.raises(InvalidInput, match="on this machine"):
            await update_provider_account(store, processes[0], SCHOOL_RULES, account.id, refused)
        for each in processes:
            await each.close()


async def test_a_simulated_account_follows_the_simulator(school: UUID, tmp_path: Path) -> None:
    upstreams = upstreams_at(tmp_path)
    new = NewAccount(provider="simulated", configuration={})
    account = await create_provider_account(store, upstreams, SCHOOL_RULES, new)
    with pytest.raises(ProviderUnavailable, match="not been started"):
        await upstreams.of(account.id)
    async with simulated() as simulator:
        (tmp_path / SIMULATOR_URL_FILE).write_text(simulator.base_url)
        assert int(await balance_of(await upstreams.of(account.id))) > 0
        await upstreams.close()


async def test_the_account_of_a_client_never_falls_back_to_the_platforms(
    school: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMS_API_URL", "http://127.0.0.1:1/api/v1/json/")
    monkeypatch.setenv("EGOSMS_USERNAME", "platform")
    monkeypatch.setenv("EGOSMS_PASSWORD", "platform's")
    account_id = await set_for(school, "a", "b")
    upstreams = upstreams_at(tmp_path)
    assert (await upstreams.of(account_id)).largest_batch == 100
    for credentials, words in ((b"damaged", "cannot be read"), (None, "has no sign-in")):
        await db.execute("UPDATE provider_account SET credentials = $1", credentials)
        with pytest.raises(ProviderUnavailable, match=words):
            await upstreams.of(account_id)
    await upstreams.close()


async def test_the_platforms_own_account_uses_the_settings(
    school: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = replace(SCHOOL_RULES, platform_providers=frozenset({"egosms"}))
    requested = NewCredentials(client_id=school, provider="egosms", username="", password="")
    account = await set_credentials(store, rules, requested)
    async with simulated() as simulator:
        monkeypatch.setenv("SMS_API_URL", f"{simulator.base_url}/api/v1/plain/?")
        unset = upstreams_at(tmp_path)
        with pytest.raises(ProviderUnavailable, match="not configured"):
            await unset.of(account.id)
        monkeypatch.setenv("EGOSMS_USERNAME", DEMO_USERNAME)
        monkeypatch.setenv("EGOSMS_PASSWORD", DEMO_PASSWORD)
        upstreams = upstreams_at(tmp_path)
        assert await balance_of(await upstreams.of(account.id)) == str(DEMO_BALANCE)
        await upstreams.close()


async def test_another_machine_is_not_called_in_tests(
    school: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPBACK_ONLY", "true")
    monkeypatch.setenv("EXTREME_API_URL", "http://127.0.0.1:1")
    account_id = await set_for(school, "a", "b")
    with pytest.raises(ProviderUnavailable, match="not configured"):
        await upstreams_at(tmp_path).of(account_id)


async def test_webhook_calls_may_be_signed_with_the_secret_of_any_account(
    school: UUID, tmp_path: Path
) -> None:
    upstreams = upstreams_at(tmp_path)
    values = {"baseUrl": "http://127.0.0.1:1", "username": "AC1", "sender": "1", "unitCost": "1"}
    for token in ("first", "second"):
        new = NewAccount(provider="twilio", configuration={**values, "password": token})
        account = await create_provider_account(store, upstreams, SCHOOL_RULES, new)

    async def keys() -> list[Sequence[str]]:
        return sorted((await upstreams.accounts("twilio")).values(), key=str)

    assert await keys() == [["first"], ["second"]]
    change = AccountChange(configuration={"password": "third", "signingKey": "second, fourth"})
    await update_provider_account(store, upstreams, SCHOOL_RULES, account.id, change)

    async def is_changed() -> bool:
        return await keys() == [["first"], ["third", "second, fourth", "second", "fourth"]]

    await eventually(is_changed)
    await db.execute("UPDATE provider_account SET credentials = 'damaged'")
    assert set((await upstreams_at(tmp_path).accounts("twilio")).values()) == {()}
    await upstreams.close()


async def test_reports_are_requested_at_the_public_address(
    school: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://sms.example/")
    async with recorder(status=201, answer={"sid": "SM1"}) as upstream:
        upstreams = upstreams_at(tmp_path)
        values = {"username": "AC1", "password": "t", "sender": "Kanda", "unitCost": "0.0083"}
        new = NewAccount(
            provider="twilio",
            configuration={**values, "baseUrl": upstream.base_url},
            is_default=True,
        )
        account = await create_provider_account(store, upstreams, SCHOOL_RULES, new)
        opened = await upstreams.of(account.id)
        assert await opened.send(OutgoingMessage("+12025550100", "Hello")) == Accepted("SM1")
        await upstreams.close()
    form = dict(upstream.requests[0].body)
    assert form["From"] == "Kanda"
    assert form["StatusCallback"] == "https://sms.example/webhooks/twilio"


TAKES = b"HTTP/1.1 202 Accepted\r\ncontent-length: 24\r\n\r\n0: Accepted for delivery"


@pytest.mark.parametrize(
    ("callback_url", "expected"),
    [
        ("", "https://sms.example.com/webhooks/kannel/new%%2Fsecret?ref="),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/webhooks/kannel/new%%2Fsecret?ref="),
    ],
)
async def test_the_address_for_reports_has_the_newest_secret_in_its_path(
    school: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, callback_url: str, expected: str
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://sms.example.com")
    monkeypatch.setenv("WEBHOOK_SECRET", "new/secret,old-secret")
    upstreams = upstreams_at(tmp_path)
    async with listening(FarEnd(parts=(TAKES,))) as gateway:
        values = {"baseUrl": gateway.base_url, "username": "ibiki", "password": "pw"}
        new = NewAccount(provider="kannel", configuration={**values, "callbackUrl": callback_url})
        account = await create_provider_account(store, upstreams, SCHOOL_RULES, new)
        message = OutgoingMessage("+12025550143", "Hello", attempt="0a1b")
        outcome = await (await upstreams.of(account.id)).send(message)
    assert outcome == Accepted("0a1b")
    assert f"X-Kannel-DLR-Url: {expected}0a1b&" in gateway.requests[0].decode()
    await upstreams.close()
