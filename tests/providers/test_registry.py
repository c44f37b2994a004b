"""The registry and the config that every factory in it takes."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from domain.provider import Credentials, Provider
from providers.config import ProviderConfig
from providers.registry import PROVIDERS, UNIT_COST, config_of, open_account
from tests.providers.scripted import CONFIG

CREDENTIALS = Credentials("a school", "not-to-be-shown")


@pytest.mark.parametrize("name", PROVIDERS)
async def test_each_provider_opens_from_the_config_alone(name: str) -> None:
    config = dataclasses.replace(
        CONFIG, largest_batch=7, credentials=CREDENTIALS, sender="1", unit_cost=Decimal(1)
    )
    provider: Provider = open_account(name, config)
    assert 1 <= provider.largest_batch <= 7
    await provider.close()


def test_a_provider_that_is_not_listed_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"'nobody'.*extreme"):
        open_account("nobody", CONFIG)


@pytest.mark.parametrize("cost", ["0", "0.00", "-1", "1e3", "free", "1,5", "1" * 10, "NaN"])
def test_a_cost_that_is_not_an_amount_is_refused(cost: str) -> None:
    with pytest.raises(ValueError, match="unitCost must be a number greater than 0"):
        config_of([UNIT_COST], {"unitCost": cost})


def test_a_config_does_not_show_its_key() -> None:
    config = dataclasses.replace(CONFIG, credentials=CREDENTIALS)
    assert "not-to-be" not in repr(config)
    assert "a school" not in repr(config)


def test_egosms_needs_credentials() -> None:
    with pytest.raises(ValueError, match="user name and a password"):
        open_account("egosms", CONFIG)


@pytest.mark.parametrize(
    ("address", "largest_batch"),
    [
        ("http://127.0.0.1:1/api/v1/plain/?", 1),
        ("http://127.0.0.1:1/api/v1/plain", 1),
        ("http://127.0.0.1:1/api/v1/json/", 100),
        ("http://127.0.0.1:1/api/v1/JSON", 100),
    ],
)
def test_the_address_decides_which_api_of_egosms_is_called(
    address: str, largest_batch: int
) -> None:
    config = dataclasses.replace(CONFIG, base_url=address, credentials=CREDENTIALS)
    assert open_account("egosms", config).largest_batch == largest_batch


@pytest.mark.parametrize("api_key", ["", "a\nb", "a\r", "schlüssel", "a\x00"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(api_key: str) -> None:
    with pytest.raises(ValueError, match="API key") as refusal:
        dataclasses.replace(CONFIG, api_key=api_key)
    assert not api_key or api_key not in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "127.0.0.1:8000"},
        {"base_url": "https://provider.example"},
        {"callback_url": "127.0.0.1:8000"},
        {"callback_url": "http://user:pw@127.0.0.1:8000"},
        {"deadline_seconds": 0},
        {"connect_seconds": -1},
        {"connections": 0},
        {"largest_batch": 0},
    ],
)
def test_a_config_that_cannot_work_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        dataclasses.replace(CONFIG, **change)  # type: ignore[arg-type]


def test_another_machine_may_be_called_if_loopback_only_is_off() -> None:
    config = ProviderConfig(base_url="https://provider.example", api_key="k")
    assert config.transport() is not config.transport()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_each_provider_opens_from_the_values_that_a_person_gives(name: str) -> None:
    fields = PROVIDERS[name].fields
    if not fields:
        return  # the simulated provider: the program knows its address and its key
    here = "http://127.0.0.1:1"
    usable = {"baseUrl": here, "callbackUrl": here, "unitCost": "0.0083", "sender": "1"}
    usable |= {"acceptedCodes": "103", "rejectedCodes": "410, 411"}
    given = {each.name: usable.get(each.name, "x") for each in fields}
    await open_account(name, config_of(fields, given, loopback_only=True)).close()
    for each in fields:
        if each.required:
            with pytest.raises(ValueError, match=f"{each.name} is required"):
                config_of(fields, {**given, each.name: ""})
