"""The registry and the config that every factory in it takes."""

from __future__ import annotations

import dataclasses

import pytest

from domain.provider import Provider
from providers.config import ProviderConfig
from providers.registry import PROVIDERS, open_account
from tests.providers.scripted import CONFIG


@pytest.mark.parametrize("name", PROVIDERS)
async def test_each_provider_opens_from_the_config_alone(name: str) -> None:
    provider: Provider = open_account(name, dataclasses.replace(CONFIG, largest_batch=7))
    assert provider.largest_batch == 7
    await provider.close()


def test_a_provider_that_is_not_listed_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"'nobody'.*extreme"):
        open_account("nobody", CONFIG)


def test_a_config_does_not_show_its_key() -> None:
    assert "not-to-be-seen" not in repr(CONFIG)


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
        {"deadline_seconds": 0},
        {"connect_seconds": -1},
        {"connections": 0},
        {"largest_batch": 0},
    ],
)
def test_a_config_that_cannot_work_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        dataclasses.replace(CONFIG, **change)  # type: ignore[arg-type]


def test_another_machine_may_be_called_where_nobody_forbids_it() -> None:
    config = ProviderConfig(base_url="https://provider.example", api_key="k")
    assert config.transport() is not config.transport()
