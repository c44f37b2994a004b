"""Allocate: moves units from a pool or a group to a client or a group, or back.

An admin moves units between the pool's own node and any client or group below it, a supervisor
between the node of its group and the clients of the group. The balance of the pool does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from domain.errors import (
    InsufficientBalance,
    InsufficientPool,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Refusal,
    TryAgain,
)
from domain.identity.access import Actor, Everything, OfGroup, Role, Scope, require
from domain.ids import new_id
from domain.ledger.balances import Allocation, Balances, BalanceView, value_usd, view_of
from domain.ledger.book import (
    LARGEST_UNITS,
    Book,
    Holding,
    Purpose,
    Transfer,
    TransferKind,
    can_pay,
)
from domain.ledger.idempotency import Answer, key_of, once, own_key, stored_before
from domain.ledger.ports import AllocateStore, AllocationTarget
from domain.ledger.statement import StatementLine
from domain.transactions import Transaction

LONGEST_NOTE = 500
OWNED = "This client has its own provider account. Its balance comes from the provider."


@dataclass(frozen=True, slots=True)
class AllocationRequest:
    """A requested allocation. `units`: positive gives, negative takes back."""

    client_id: UUID | None
    group_id: UUID | None
    units: int
    note: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Allocated:
    """An allocation that was made, and the figures after it, all of the same moment.

    `transfer`: as the client or the group sees it. `allocation`: None for a group.
    """

    transfer: StatementLine
    allocation: Allocation | None
    balances: Balances


async def allocate(store: AllocateStore, actor: Actor, requested: AllocationRequest) -> Allocated:
    """Moves the units, once for a key. For a repeated call the figures are the present ones.

    Raises InsufficientPool (giving), InsufficientBalance (taking back), InvalidInput, NotFound,
    IdempotencyConflict, TryAgain, OutcomeUnknown.
    """
    scope = _scope(actor)
    key = key_of(actor.user_id, requested.key, "allocate", _given(requested))
    transfer_id = new_id()
    try:
        _check(requested)
        target = await _find_target(store, scope, requested)
    except Refusal:
        stored, allocated = await stored_before(store, key), None
        if stored is None:
            raise
        answer = stored
    else:
        answer, allocated = await once(
            store,
            key or own_key(actor.user_id, "allocate"),
            partial(_move, store, actor, scope, target, requested, transfer_id),
            unknown=OutcomeUnknown(transfer_id=transfer_id),
        )
    if allocated is not None:
        return allocated
    transfer = await store.find_transfer(UUID(answer["transfer"]))
    return await _figures(store, actor, requested, transfer)


async def _figures(
    store: AllocateStore,
    actor: Actor,
    requested: AllocationRequest,
    transfer: Transfer,
    tx: Transaction | None = None,
) -> Allocated:
    """The transfer with what it changed, read in its own transaction if there is one."""
    target_id = transfer.destination_id if requested.units > 0 else transfer.source_id
    assert target_id is not None  # an allocation has two ends
    view = BalanceView(group_id=requested.group_id)
    allocation = None
    if requested.client_id is not None:
        view = view_of(actor, requested.client_id)
        allocation = await store.find_allocation(_scope(actor), requested.client_id, tx=tx)
    return Allocated(
        transfer=await store.find_line(target_id, transfer.id, tx=tx),
        allocation=allocation,
        balances=await store.read_balances(view, tx=tx),
    )


async def _find_target(
    store: AllocateStore, scope: Scope, requested: AllocationRequest
) -> AllocationTarget:
    target = await store.find_allocation_target(
        scope, client_id=requested.client_id, group_id=requested.group_id
    )
    if target.owned:
        raise InvalidInput(OWNED, field="clientId")
    return target


def _scope(actor: Actor) -> Scope:
    require(actor, Role.ADMIN, Role.SUPERVISOR)
    if actor.role is Role.ADMIN:
        return Everything()
    if actor.group_id is None:
        raise NotFound("group")
    return OfGroup(actor.group_id)


def _given(requested: AllocationRequest) -> object:
    ids = [str(each) if each else None for each in (requested.client_id, requested.group_id)]
    return [*ids, requested.units, requested.note]


def _check(requested: AllocationRequest) -> None:
    if (requested.client_id is None) == (requested.group_id is None):
        raise InvalidInput("Give exactly one of clientId and groupId.", field="clientId")
    if requested.units == 0:
        raise InvalidInput("units must not be 0. Negative takes units back.", field="units")
    if abs(requested.units) > LARGEST_UNITS:
        raise InvalidInput(f"units must not exceed {LARGEST_UNITS}.", field="units")
    if requested.note is not None and (
        len(requested.note) > LONGEST_NOTE or not requested.note.isprintable()
    ):
        raise InvalidInput(
            f"note must be one line of at most {LONGEST_NOTE} characters.", field="note"
        )


async def _move(
    store: AllocateStore,
    actor: Actor,
    scope: Scope,
    target: AllocationTarget,
    requested: AllocationRequest,
    transfer_id: UUID,
    tx: Transaction,
) -> tuple[Answer, Allocated]:
    giver_id = _giver(scope, target)
    book = await store.lock_accounts(tx, [giver_id, target.account_id])
    giver, taker = book.holdings[giver_id], book.holdings[target.account_id]
    if isinstance(scope, OfGroup) and taker.parent_id != giver.account_id:
        raise NotFound("client")  # it has left the group since it was looked up
    if requested.client_id is not None:
        now = await store.find_allocation_target(
            scope, client_id=requested.client_id, group_id=None, tx=tx
        )
        if now.account_id != target.account_id:
            raise TryAgain  # it has got another account since it was looked up
    source, destination = (giver, taker) if requested.units > 0 else (taker, giver)
    if not can_pay(source, abs(requested.units)):
        raise _shortage(scope, source, requested.units, target.unit)
    transfer = _post(book, source, destination, target, requested, actor, transfer_id)
    await store.write_book(tx, book)
    # Read before COMMIT: a read after it could fail, and the units would be moved twice.
    allocated = await _figures(store, actor, requested, transfer, tx)
    return {"transfer": str(transfer.id)}, allocated


def _giver(scope: Scope, target: AllocationTarget) -> UUID:
    """The account that units are given from and taken back to."""
    if isinstance(scope, Everything):
        return target.pool_account_id
    if target.group_account_id is None:
        raise NotFound("client")
    return target.group_account_id


def _shortage(
    scope: Scope, source: Holding, units: int, unit: str
) -> InsufficientPool | InsufficientBalance:
    required, available = abs(units), max(source.held, 0)
    if units < 0:
        return InsufficientBalance(required=required, available=available, unit=unit)
    of_group = not isinstance(scope, Everything)
    return InsufficientPool(required=required, available=available, unit=unit, of_group=of_group)


def _post(
    book: Book,
    source: Holding,
    destination: Holding,
    target: AllocationTarget,
    requested: AllocationRequest,
    actor: Actor,
    transfer_id: UUID,
) -> Transfer:
    purpose = Purpose(
        actor_id=actor.user_id,
        note=requested.note,
        rate_usd=target.rate_usd,
        value_usd=value_usd(abs(requested.units), target.rate_usd),
    )
    return book.post(
        TransferKind.ALLOCATION,
        abs(requested.units),
        source=source,
        destination=destination,
        purpose=purpose,
        transfer_id=transfer_id,
    )
