"""Hashes of passwords."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from argon2.exceptions import VerifyMismatchError

from ibiki.passwords import MEMORY_KIB, Argon2Passwords

CHEAP = Argon2Passwords(memory_kib=64)


async def test_a_hash_is_argon2id_with_parameters_and_salt() -> None:
    passwords = Argon2Passwords()
    first, second = await passwords.hash("password"), await passwords.hash("password")
    assert first.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t=1,p=1$")
    assert first != second
    assert await passwords.verify("password", first)


@pytest.mark.parametrize("other", ["", "Password", "password ", "password\0", "пароль"])
async def test_another_password_does_not_match(other: str) -> None:
    assert not await CHEAP.verify(other, await CHEAP.hash("password"))


@pytest.mark.parametrize("kept", [None, "", "nonsense", "$argon2id$v=19$m=64,t=1,p=1$short"])
async def test_nothing_matches_without_a_stored_hash(kept: str | None) -> None:
    assert not await CHEAP.verify("password", kept)
    assert not await CHEAP.verify("", kept)


async def test_a_hash_with_other_parameters_still_matches() -> None:
    kept = await Argon2Passwords(memory_kib=128).hash("password")
    assert await CHEAP.verify("password", kept)


async def test_a_missing_hash_takes_as_much_work_as_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords, hasher = Argon2Passwords(memory_kib=64), RecordingHasher()
    kept = await passwords.hash("password")
    monkeypatch.setattr(passwords, "_hasher", hasher)
    assert not await passwords.verify("another", kept)
    assert not await passwords.verify("another", None)
    first, second = (each.split("$")[:4] for each in hasher.verified)
    assert first == second


class RecordingHasher:
    """Records the hashes that it gets. None of them matches."""

    def __init__(self) -> None:
        self.verified: list[str] = []

    def verify(self, kept: str, password: str) -> bool:
        self.verified.append(kept)
        raise VerifyMismatchError


class SlowHasher:
    """Counts the computations at one time."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.at_work = self.most = 0

    def hash(self, password: str) -> str:
        with self.guard:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        time.sleep(0.02)
        with self.guard:
            self.at_work -= 1
        return password


async def test_few_hashes_are_computed_at_once_and_the_loop_is_not_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords, hasher = Argon2Passwords(memory_kib=64, threads=2), SlowHasher()
    monkeypatch.setattr(passwords, "_hasher", hasher)
    hashing = asyncio.gather(*(passwords.hash("password") for _ in range(8)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert hasher.most == 2
    assert turns > 8
