"""Idempotency keys: a command with a key is done once, and its success is stored under the key.

Only successes are stored. A refused command leaves its key unused: the same call can succeed later.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

from domain.errors import IdempotencyConflict, InvalidInput, OutcomeUnknown, TryAgain
from domain.ids import new_id
from domain.transactions import CommitLost, Disconnected, Transaction, Transactional

PAUSES_SECONDS = (0.0, 0.1, 0.5, 2.0)
"""The pause before each try of a transaction, if the connection to the database is lost."""

LONGEST_KEY = 255

Answer: TypeAlias = Mapping[str, Any]
"""What is stored under a key, as JSON: the IDs of what the command has made."""

Result = TypeVar("Result")

_in_json = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps creates one each time


@dataclass(slots=True)
class IdempotencyKey:
    """A key that a caller gives to a request, unique within its scope: a client, or a user.

    `input_hash`: of the mutation and its input. Two requests with one key must have the same.
    `id`: the same in every process for the same scope and key.
    """

    scope_id: UUID
    key: str
    input_hash: bytes
    id: UUID = field(init=False)

    def __post_init__(self) -> None:
        digest = sha256(self.scope_id.bytes + self.key.encode()).digest()
        self.id = UUID(bytes=digest[:16])


class KeysTaken(Exception):
    """Another transaction has stored answers under these keys meanwhile: roll back."""

    def __init__(self, ids: Set[UUID]) -> None:
        self.ids = ids


class IdempotencyKeys(Transactional, Protocol):
    """Stored keys. Take a key first in a transaction, before any row is locked."""

    async def take_key(self, tx: Transaction, key: IdempotencyKey) -> None:
        """Locks the key. Waits for another transaction that has it."""

    async def find_answers(
        self, tx: Transaction | None, keys: Sequence[IdempotencyKey]
    ) -> dict[UUID, tuple[bytes, Answer]]:
        """Stored answers by key ID, each with the hash of its input."""

    async def keep_answers(
        self, tx: Transaction, answers: Sequence[tuple[IdempotencyKey, Answer]]
    ) -> None:
        """Stores the answers. Raises KeysTaken if another transaction has just stored one."""


def key_of(scope_id: UUID, key: str | None, mutation: str, given: object) -> IdempotencyKey | None:
    """The caller's key with the hash of the mutation and its input; None without a key.

    `given`: the input as it was given, as JSON values. Raises InvalidInput for an unusable key.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidInput(
            f"An idempotencyKey is 1 to {LONGEST_KEY} printable characters.",
            field="idempotencyKey",
        )
    return IdempotencyKey(scope_id, key, input_hash(mutation, given))


def own_key(scope_id: UUID, mutation: str) -> IdempotencyKey:
    """A key for a command that has none: a try whose COMMIT was lost is found under it."""
    return IdempotencyKey(scope_id, f"{mutation} {new_id()}", b"")


def input_hash(mutation: str, given: object) -> bytes:
    """The same in every process for the same mutation and input."""
    return sha256(_in_json([mutation, given]).encode()).digest()


def stored_answer(key: IdempotencyKey, stored: tuple[bytes, Answer]) -> Answer:
    """The answer stored under the key. Raises IdempotencyConflict if its input was another."""
    stored_hash, answer = stored
    if stored_hash != key.input_hash:
        raise IdempotencyConflict
    return answer


async def stored_before(store: IdempotencyKeys, key: IdempotencyKey | None) -> Answer | None:
    """The success stored under the key of a command that is about to be refused, or None.

    A stored success takes precedence over every check. Looking it up only now saves a query for
    each request that is not refused. Raises IdempotencyConflict.
    """
    if key is None:
        return None
    stored = await store.find_answers(None, [key])
    return stored_answer(key, stored[key.id]) if key.id in stored else None


async def once(
    store: IdempotencyKeys,
    key: IdempotencyKey,
    command: Callable[[Transaction], Awaitable[tuple[Answer, Result]]],
    *,
    unknown: OutcomeUnknown | None = None,
) -> tuple[Answer, Result | None]:
    """The command's answer and result. The result is None if it was done by an earlier call.

    `command` runs in the transaction that stores its answer. An error in it rolls everything back
    and leaves the key unused. Raises IdempotencyConflict, TryAgain if nothing was kept, or
    `unknown` if a COMMIT was lost and the database did not come back in time.
    """
    last: tuple[Answer, Result] | None = None
    commit_lost = False

    async def run(tx: Transaction) -> Answer:
        nonlocal last
        last = await command(tx)
        return last[0]

    for pause in PAUSES_SECONDS:
        await asyncio.sleep(pause)
        try:
            answer = await _try_once(store, key, run)
        except CommitLost:
            commit_lost = True
        except (Disconnected, KeysTaken):
            continue
        else:
            # The answer is that of this call if a run of this call has made it.
            return answer, last[1] if last is not None and last[0] == answer else None
    if commit_lost:
        raise unknown or OutcomeUnknown()
    raise TryAgain


async def _try_once(
    store: IdempotencyKeys, key: IdempotencyKey, command: Callable[[Transaction], Awaitable[Answer]]
) -> Answer:
    async with store.transaction() as tx:
        await store.take_key(tx, key)
        stored = await store.find_answers(tx, [key])
        if key.id in stored:
            return stored_answer(key, stored[key.id])
        answer = await command(tx)
        await store.keep_answers(tx, [(key, answer)])
        return answer
