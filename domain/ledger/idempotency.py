"""Doing a command once: key, hash of the input, transaction, kept answer.

Looked up before any other check. Kept are the success and a balance that was too small; a refusal
that comes earlier leaves the key unused. A command without a key of the caller's gets one of its
own, so that a commit whose answer was lost on the way is found instead of repeated.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from uuid import UUID

from domain.errors import (
    IdempotencyConflict,
    InsufficientBalance,
    InsufficientPool,
    InvalidInput,
    Refusal,
    TryAgain,
)
from domain.ids import new_id
from domain.ledger.keys import Answer, IdempotencyKey
from domain.ledger.ports import OnceStore
from domain.transactions import Disconnected, Transaction

PAUSES_SECONDS = (0.0, 0.1, 0.5, 2.0)
"""Before each try of a transaction, where the database goes away in the middle of it."""

LONGEST_KEY = 255

KEPT_REFUSALS: dict[str, type[InsufficientBalance | InsufficientPool]] = {
    "insufficient_balance": InsufficientBalance,
    "insufficient_pool": InsufficientPool,
}


def key_of(scope_id: UUID, key: str | None, mutation: str, given: object) -> IdempotencyKey | None:
    """The caller's key with the hash of the mutation and its input as given; None without one.

    `given`: anything that JSON can say. Raises InvalidInput for a key that cannot be kept.
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
    """A key for a command that came without one: found again after a lost commit, and only then."""
    return IdempotencyKey(scope_id, f"{mutation} {new_id()}", b"")


def input_hash(mutation: str, given: object) -> bytes:
    """The same for the same mutation and input, whatever process asks."""
    said = json.dumps([mutation, given], ensure_ascii=True, separators=(",", ":"))
    return sha256(said.encode()).digest()


def kept_answer(key: IdempotencyKey, kept: tuple[bytes, Answer]) -> Answer:
    """The answer kept under the key. Raises IdempotencyConflict where the input was another."""
    hash_then, answer = kept
    if hash_then != key.input_hash:
        raise IdempotencyConflict
    return answer


def answer_of_refusal(refusal: InsufficientBalance | InsufficientPool) -> Answer:
    """A refusal as it is kept."""
    name = next(name for name, kind in KEPT_REFUSALS.items() if type(refusal) is kind)
    return {name: vars(refusal)}


def refusal_of_answer(answer: Answer) -> Refusal | None:
    """The refusal that was kept, None where the answer was a success."""
    for name, kind in KEPT_REFUSALS.items():
        if name in answer:
            return kind(**answer[name])
    return None


async def find_kept(store: OnceStore, key: IdempotencyKey | None) -> Answer | None:
    """The answer kept under the key, None where the key is new (or there is none).

    Raises a kept refusal, or IdempotencyConflict: a key is looked up before any other check.
    """
    if key is None:
        return None
    kept = await store.find_answers(None, [key])
    return _told(kept_answer(key, kept[key.id])) if key.id in kept else None


async def once(
    store: OnceStore, key: IdempotencyKey, command: Callable[[Transaction], Awaitable[Answer]]
) -> Answer:
    """The command's answer, or the one that it was given before under the same key.

    `command` runs in the transaction that keeps its answer; what it raises rolls all back and
    leaves the key unused. Raises a kept refusal, IdempotencyConflict, or TryAgain.
    """
    for pause in PAUSES_SECONDS:
        await asyncio.sleep(pause)
        try:
            return _told(await _try_once(store, key, command))
        except Disconnected:
            continue
    raise TryAgain


async def _try_once(
    store: OnceStore, key: IdempotencyKey, command: Callable[[Transaction], Awaitable[Answer]]
) -> Answer:
    async with store.transaction() as tx:
        await store.take_key(tx, key)
        kept = await store.find_answers(tx, [key])
        if key.id in kept:
            return kept_answer(key, kept[key.id])
        answer = await command(tx)
        await store.keep_answers(tx, [(key, answer)])
        return answer


def _told(answer: Answer) -> Answer:
    refusal = refusal_of_answer(answer)
    if refusal is not None:
        raise refusal
    return answer
