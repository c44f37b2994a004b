"""Allocating: units given to a client or a group out of a pool, or taken back.

An admin moves units between the pool's own node and any client or group under it; a supervisor
between the own group's node and its clients. The pool as a whole does not change.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from domain.errors import InsufficientBalance, InsufficientPool, InvalidInput, NotFound, TryAgain
from domain.identity.access import Actor, Everything, OfGroup, Role, Scope, require
from domain.ledger.book import Book, Holding, Purpose, Transfer, TransferKind, can_pay
from domain.ledger.idempotency import (
    PAUSES_SECONDS,
    answer_of_refusal,
    find_kept,
    key_of,
    once,
    own_key,
)
from domain.ledger.keys import Answer
from domain.ledger.ports import AllocateStore, AllocationTarget
from domain.ledger.valuation import LARGEST_UNITS, value_usd
from domain.transactions import Transaction

LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Allocation:
    """What was asked for. `units`: positive gives, negative takes back."""

    client_id: UUID | None
    group_id: UUID | None
    units: int
    note: str | None = None
    key: str | None = None


async def allocate(store: AllocateStore, actor: Actor, asked: Allocation) -> Transfer:
    """Moves the units, once for a key. The transfer stands as seen at that time.

    Raises InsufficientPool (giving), InsufficientBalance (taking back), InvalidInput, NotFound.
    """
    scope = _scope(actor)
    key = key_of(actor.user_id, asked.key, "allocate", _given(asked))
    answer = await find_kept(store, key)
    if answer is None:
        _check(asked)
        target = await _find_target(store, scope, asked)
        key = key or own_key(actor.user_id, "allocate")
        answer = await once(store, key, partial(_move, store, actor, scope, target, asked))
    return await _read_back(store, UUID(answer["transfer"]))


async def _read_back(store: AllocateStore, transfer_id: UUID) -> Transfer:
    # The units have moved: to be told to try again would make who had no key move them twice.
    for pause in PAUSES_SECONDS:
        await asyncio.sleep(pause)
        with suppress(TryAgain):
            return await store.find_transfer(transfer_id)
    raise TryAgain


async def _find_target(store: AllocateStore, scope: Scope, asked: Allocation) -> AllocationTarget:
    target = await store.find_allocation_target(
        scope, client_id=asked.client_id, group_id=asked.group_id
    )
    if target.owned:
        raise InvalidInput(
            "This client has a provider account of its own: its balance comes from there.",
            field="clientId",
        )
    return target


def _scope(actor: Actor) -> Scope:
    require(actor, Role.ADMIN, Role.SUPERVISOR)
    if actor.role is Role.ADMIN:
        return Everything()
    if actor.group_id is None:
        raise NotFound("group")
    return OfGroup(actor.group_id)


def _given(asked: Allocation) -> object:
    ids = [str(each) if each else None for each in (asked.client_id, asked.group_id)]
    return [*ids, asked.units, asked.note]


def _check(asked: Allocation) -> None:
    if (asked.client_id is None) == (asked.group_id is None):
        raise InvalidInput("Name a client or a group: exactly one.", field="clientId")
    if asked.units == 0:
        raise InvalidInput("Give units (positive) or take them back (negative).", field="units")
    if abs(asked.units) > LARGEST_UNITS:
        raise InvalidInput(f"At most {LARGEST_UNITS} units can be moved.", field="units")
    if asked.note is not None and (len(asked.note) > LONGEST_NOTE or not asked.note.isprintable()):
        raise InvalidInput(
            f"A note is one line of at most {LONGEST_NOTE} characters.", field="note"
        )


async def _move(
    store: AllocateStore,
    actor: Actor,
    scope: Scope,
    target: AllocationTarget,
    asked: Allocation,
    tx: Transaction,
) -> Answer:
    giver_id = _giver(scope, target)
    book = await store.lock_accounts(tx, [giver_id, target.account_id])
    giver, taker = book.holdings[giver_id], book.holdings[target.account_id]
    if isinstance(scope, OfGroup) and taker.parent_id != giver.account_id:
        raise NotFound("client")  # it left the group after it was looked up
    source, destination = (giver, taker) if asked.units > 0 else (taker, giver)
    refusal = _shortage(source, abs(asked.units), giving=asked.units > 0, unit=target.unit)
    if refusal is not None:
        return answer_of_refusal(refusal)
    transfer = _post(book, source, destination, target, asked, actor)
    await store.write_book(tx, book)
    return {"transfer": str(transfer.id)}


def _giver(scope: Scope, target: AllocationTarget) -> UUID:
    """The node that an allocation comes from and goes back to."""
    if isinstance(scope, Everything):
        return target.pool_account_id
    if target.group_account_id is None:
        raise NotFound("client")
    return target.group_account_id


def _shortage(
    source: Holding, units: int, *, giving: bool, unit: str
) -> InsufficientPool | InsufficientBalance | None:
    if can_pay(source, units):
        return None
    kind = InsufficientPool if giving else InsufficientBalance
    return kind(required=units, available=max(source.held, 0), unit=unit)


def _post(
    book: Book,
    source: Holding,
    destination: Holding,
    target: AllocationTarget,
    asked: Allocation,
    actor: Actor,
) -> Transfer:
    purpose = Purpose(
        actor_id=actor.user_id,
        note=asked.note,
        rate_usd=target.rate_usd,
        value_usd=value_usd(abs(asked.units), target.rate_usd),
    )
    return book.post(
        TransferKind.ALLOCATION,
        abs(asked.units),
        source=source,
        destination=destination,
        purpose=purpose,
    )
