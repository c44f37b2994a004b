"""Processes with other settings than their neighbours are found, and no secret is shown."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest
from cryptography.fernet import Fernet

from ibiki.agreeing import (
    COMPARED,
    ENCRYPTION_KEYS,
    SECRET_KEY,
    Agreement,
    ClockComparison,
    differing,
    fingerprint_of,
    shown_name,
)
from ibiki.observability.metrics import Metrics
from ibiki.settings.settings import Settings, load
from persistence.opening import connect, disconnect
from persistence.sessions_of_programs import read_program_names

KEY = "one-secret-key-of-more-than-thirty-two-bytes"
OLD, NEW = (urlsafe_b64encode(letter * 32).decode() for letter in (b"o", b"n"))

OTHER_VALUES = {
    "DEFAULT_REGION": {"DEFAULT_REGION": "UG"},
    "EXTRA_AREA_CODES": {"EXTRA_AREA_CODES": "535"},
    "OPT_OUT_WORDS": {"OPT_OUT_WORDS": "BASTA"},
    "EXTREME_API_URL or EXTREME_API_KEY": {"EXTREME_API_KEY": "another"},
    "SMS_API_URL, EGOSMS_USERNAME or EGOSMS_PASSWORD": {"SMS_API_URL": "https://sms.example.com"},
}


def with_settings(directory: Path, **changed: str) -> Settings:
    """The settings of a process with these variables."""
    variables = {"SECRET_KEY": KEY, "ENCRYPTION_KEYS": OLD, "EXTREME_API_KEY": "one", **changed}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return load(directory)


def compared(one: Settings, other: Settings) -> list[str]:
    shown = str(fingerprint_of(other))
    return list(differing(fingerprint_of(one), shown))


@pytest.mark.parametrize(("setting", "changed"), OTHER_VALUES.items())
def test_a_setting_that_differs_is_named(
    tmp_path: Path, setting: str, changed: dict[str, str]
) -> None:
    one, other = with_settings(tmp_path), with_settings(tmp_path, **changed)
    assert compared(one, other) == compared(other, one) == [setting]
    assert compared(other, other) == []


def test_with_another_secret_key_only_the_keys_are_compared(tmp_path: Path) -> None:
    one = with_settings(tmp_path)
    changed = {"SECRET_KEY": f"another-{KEY}", "DEFAULT_REGION": "UG"}
    assert compared(one, with_settings(tmp_path, **changed)) == [SECRET_KEY]
    changed["ENCRYPTION_KEYS"] = NEW
    assert compared(one, with_settings(tmp_path, **changed)) == [SECRET_KEY, ENCRYPTION_KEYS]


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (f"{NEW},{OLD}", f"{NEW},{OLD}", False),
        (f"{NEW},{OLD}", f"{OLD},{NEW}", False),
        (f"{NEW},{OLD}", NEW, False),
        (f"{NEW},{OLD}", OLD, True),
        (NEW, OLD, True),
    ],
)
def test_encryption_keys_differ_if_one_process_cannot_decrypt_what_the_other_stores(
    tmp_path: Path, one: str, other: str, differ: bool
) -> None:
    first = with_settings(tmp_path, ENCRYPTION_KEYS=one)
    second = with_settings(tmp_path, ENCRYPTION_KEYS=other)
    expected = [ENCRYPTION_KEYS] if differ else []
    assert compared(first, second) == compared(second, first) == expected


@pytest.mark.parametrize("shown", ["", "report", ".", "abcd.efgh"])
def test_a_name_of_another_format_is_no_failure(tmp_path: Path, shown: str) -> None:
    assert set(differing(fingerprint_of(with_settings(tmp_path)), shown)) <= set(COMPARED)


def test_the_name_fits_and_shows_no_secret(tmp_path: Path) -> None:
    keys = ",".join(Fernet.generate_key().decode() for _ in range(9))
    name = shown_name("ibiki dispatch", with_settings(tmp_path, ENCRYPTION_KEYS=keys))
    assert len(name) <= 63  # PostgreSQL cuts longer ones
    assert not any(key[:4] in name for key in (KEY, *keys.split(",")))


async def test_a_difference_is_logged_once_and_shown_until_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    metrics = Metrics()
    names: dict[str, str] = {}

    async def read_names() -> Mapping[str, str]:
        return names

    def shown() -> set[str]:
        lines = metrics.exposition().decode().splitlines()
        return {each for each in lines if each.startswith("ibiki_settings_differ{")}

    own = fingerprint_of(with_settings(tmp_path))
    agreement = Agreement(own, read_names, metrics.settings_differ)
    await agreement.look()
    assert shown() == {f'ibiki_settings_differ{{setting="{each}"}} 0.0' for each in COMPARED}
    names[shown_name("ibiki serve", with_settings(tmp_path, DEFAULT_REGION="UG"))] = "10.0.0.7"
    await agreement.look()
    await agreement.look()
    assert 'ibiki_settings_differ{setting="DEFAULT_REGION"} 1.0' in shown()
    names.clear()
    await agreement.look()
    assert 'ibiki_settings_differ{setting="DEFAULT_REGION"} 0.0' in shown()
    assert caplog.messages == [
        "DEFAULT_REGION differs from that of another running process (ibiki serve at 10.0.0.7):"
        " give all processes the same value, and restart them",
        "DEFAULT_REGION is the same in all running processes again",
    ]


@pytest.mark.parametrize(
    ("ahead", "words"), [(300, "300 s ahead of"), (-300, "300 s behind"), (3, ""), (-3, "")]
)
async def test_a_clock_that_differs_from_the_databases_is_logged_once(
    caplog: pytest.LogCaptureFixture, ahead: float, words: str
) -> None:
    caplog.set_level("INFO")
    metrics = Metrics()
    database = 1_000_000.0
    machine = [database + ahead]

    async def read_clock() -> float:
        return database

    comparison = ClockComparison(read_clock, metrics.clock_ahead, now=lambda: machine[0])
    await comparison.look()
    await comparison.look()
    assert f"ibiki_clock_ahead_seconds {float(ahead)}" in metrics.exposition().decode()
    machine[0] = database
    await comparison.look()
    assert "ibiki_clock_ahead_seconds 0.0" in metrics.exposition().decode()
    expected = [
        f"the clock of this machine is {words} the database's",
        "the clock of this machine agrees with the database's again",
    ]
    assert caplog.messages == (expected if words else [])


async def test_a_slow_answer_of_the_database_is_not_taken_for_another_clock(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = iter([1_000_000.0, 1_000_009.0])

    async def read_clock() -> float:
        return 1_000_001.0

    metrics = Metrics()
    await ClockComparison(read_clock, metrics.clock_ahead, now=lambda: next(times)).look()
    assert caplog.messages == []


async def test_processes_see_each_other_while_they_run(database_url: str, tmp_path: Path) -> None:
    own = shown_name("ibiki serve", with_settings(tmp_path))
    other = shown_name("ibiki dispatch", with_settings(tmp_path, DEFAULT_REGION="UG"))
    await connect(database_url, application_name=own)
    try:
        for name in (other, "ibiki dispatch", "ibiki command", "a report"):
            session = await asyncpg.connect(
                database_url, server_settings={"application_name": name}
            )
            assert set(await read_program_names()) <= {own, other}
            if name == other:
                assert set(await read_program_names()) == {own, other}
            await session.close()
    finally:
        await disconnect()
