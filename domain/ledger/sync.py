"""Sync: sets a pool to the balance that the provider reports. Moves no client's units.

Two things have to be taken into account.

*In flight.* Messages that are charged here but that the provider has not accepted yet are not in
its reading: pool := reading - in flight. No message may be submitted between the reading and the
write, so sync pauses marking (`reading_until`) and waits for open calls.

*Epochs.* Everything that the provider did before a reading is included in it. Each sync increments
the account's epoch. A refund whose attempt is older than the epoch moves units within the pool
(`domain.dispatch.settlement`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from uuid import UUID

from domain.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    ProviderUnavailable,
    TryAgain,
    units_in_words,
)
from domain.identity.access import Actor, Role, require
from domain.ids import new_id
from domain.ledger.balances import Balances, BalanceView, units_of_reading
from domain.ledger.book import Book, Holding, Purpose, TransferKind
from domain.ledger.idempotency import Answer, once, own_key
from domain.ledger.ports import NewSync, ProviderAccount, SyncStore
from domain.loops import now_seconds
from domain.provider import Provider, Reading, SupportsBalance
from domain.transactions import Transaction

POLL_SECONDS = 0.05
TRIES = 3
CREDENTIALS_CHANGED = "The sign-in of this account was changed during the check. Try again."
NO_BALANCE = (
    "The provider of this account reports no balance. Set the pool by hand: sync with `reading`"
    " (on the command line, `--reading`), the units that you have left there."
)
HAS_BALANCE = (
    "The provider of this account reports its balance. Leave `reading` out (on the command line,"
    " `--reading`)."
)


@dataclass(frozen=True, slots=True)
class SyncRules:
    """How long sync may pause marking. The values are those of the dispatch settings."""

    lease_seconds: float = 30.0
    deadline_seconds: float = 10.0

    @property
    def open_calls_seconds(self) -> float:
        """How long to wait for open calls: a call that crashed stays open for its lease."""
        return self.lease_seconds + self.deadline_seconds

    @property
    def pause_seconds(self) -> float:
        """The longest pause of one try: open calls, then one call that reads the balance."""
        return self.open_calls_seconds + self.deadline_seconds


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync found and changed, in units."""

    provider_account_id: UUID
    previous_pool: int
    change: int
    in_flight: int
    checked_at: datetime
    balances: Balances


class _PauseExpired(Exception):
    """The pause expired before the write. Nothing was written."""


async def account_to_sync(
    store: SyncStore, actor: Actor, provider_account_id: UUID | None
) -> ProviderAccount:
    """The account that the actor may sync: any for an admin, its own for a client.

    Raises Forbidden, before any ID is looked up, if the actor owns no provider account; else
    NotFound.
    """
    require(actor, Role.ADMIN, Role.CLIENT)
    if actor.role is Role.ADMIN:
        return await store.find_provider_account(provider_account_id)
    owned = actor.payer.provider_account_id if actor.payer else None
    account = await store.find_provider_account(owned) if owned else None
    if account is None or account.owner_client_id != actor.client_id:
        raise Forbidden("Your operator manages the balance of your account.")
    if provider_account_id not in (None, account.id):
        raise NotFound("provider account")
    return account


async def sync(
    store: SyncStore,
    provider: Provider,
    account: ProviderAccount,
    *,
    actor_id: UUID | None,
    rules: SyncRules,
    view: BalanceView | None = None,
    by_hand: int | None = None,
) -> Synced:
    """Reads the provider's balance and sets the pool to it. Safe to repeat and to run twice.

    `view`: of the balances to return; None is the pool's own. `by_hand`: the balance in units, as
    the operator knows it, for a provider that reports none.

    Raises ProviderUnavailable: the last good reading is kept, with its age. Raises InvalidInput if
    the provider reports its balance and `by_hand` is given.
    """
    view = view or BalanceView(provider_account_id=account.id)
    source = _source_of(provider, by_hand)
    for _ in range(TRIES):
        reader_id = new_id()
        try:
            await _pause_marking(store, account.id, reader_id, rules)
            reading, units = await _read(store, source, account, reader_id)
            write = partial(_write, store, account, reader_id, reading, units, actor_id, view)
            _, synced = await once(store, own_key(reader_id, "sync"), write)
            assert synced is not None  # the key is new, so that no earlier call can have used it
            return synced
        except _PauseExpired:
            continue
        finally:
            # Also if the caller is cancelled: otherwise messages wait until the pause expires.
            # An outage here must not replace the result or the error of the reading.
            with suppress(TryAgain):
                await asyncio.shield(store.lift_pause(account.id, reader_id=reader_id))
    raise ProviderUnavailable("The provider took too long to report the balance. Try again.")


@dataclass(frozen=True, slots=True)
class _ByHand:
    """A balance that a person has entered."""

    units: int

    async def balance(self) -> Reading:
        return Reading(raw=str(self.units), value=Decimal(self.units))


def _source_of(provider: Provider, by_hand: int | None) -> SupportsBalance:
    if isinstance(provider, SupportsBalance):
        if by_hand is not None:
            raise InvalidInput(HAS_BALANCE, field="reading")
        return provider
    if by_hand is None:
        raise ProviderUnavailable(NO_BALANCE)
    return _ByHand(by_hand)


async def _pause_marking(
    store: SyncStore, account_id: UUID, reader_id: UUID, rules: SyncRules
) -> None:
    """Returns when no call of the account is open and none can start."""
    give_up_at = now_seconds() + rules.pause_seconds
    while not await store.begin_reading(
        account_id, reader_id=reader_id, seconds=rules.pause_seconds
    ):
        if now_seconds() > give_up_at:
            raise ProviderUnavailable("Another balance check is in progress. Try again later.")
        await asyncio.sleep(POLL_SECONDS)
    give_up_at = now_seconds() + rules.open_calls_seconds
    while await store.open_calls(account_id):
        if now_seconds() > give_up_at:
            raise ProviderUnavailable(
                "A call to the provider has not ended in time. Try again in a minute."
            )
        await asyncio.sleep(POLL_SECONDS)


async def _read(
    store: SyncStore, source: SupportsBalance, account: ProviderAccount, reader_id: UUID
) -> tuple[Reading, int]:
    """The reading, and its value in units."""
    try:
        reading = await source.balance()
        return reading, units_of_reading(reading.value, account.valuation)
    except ProviderUnavailable as unavailable:
        await store.fail_reading(account.id, reader_id=reader_id)
        raise ProviderUnavailable(
            f"{unavailable}{_kept(account)}", for_operator=unavailable.for_operator
        ) from unavailable
    except ValueError as out_of_range:
        await store.fail_reading(account.id, reader_id=reader_id)
        raise ProviderUnavailable(
            f"The SMS network did not report a valid balance.{_kept(account)}"
        ) from out_of_range


def _kept(account: ProviderAccount) -> str:
    """What a client reads about its own last good reading. Empty if there is none."""
    if account.owner_client_id is None or account.read_at is None:
        return ""
    minutes = max(int((datetime.now(UTC) - account.read_at).total_seconds()) // 60, 0)
    age = units_in_words(minutes, "minute") if minutes < 120 else f"{minutes // 60:,} hours"
    return f" The balance from the last check, {age} ago, is kept."


async def _write(
    store: SyncStore,
    requested: ProviderAccount,
    reader_id: UUID,
    reading: Reading,
    units: int,
    actor_id: UUID | None,
    view: BalanceView,
    tx: Transaction,
) -> tuple[Answer, Synced]:
    account = await store.lock_reading(tx, requested.id, reader_id=reader_id)
    if account is None:
        raise _PauseExpired
    if account.credentials_set_at != requested.credentials_set_at:
        raise ProviderUnavailable(CREDENTIALS_CHANGED)
    figures = await store.pool_figures(tx, requested.id)
    change = units - figures.in_flight - figures.pool
    done = NewSync(
        id=new_id(),
        provider_account_id=account.id,
        reading_raw=reading.raw,
        reading=units,
        in_flight=figures.in_flight,
        pool_before=figures.pool,
        pool_after=units - figures.in_flight,
        epoch=account.epoch + 1,
        actor_id=actor_id,
    )
    book = await store.lock_accounts(tx, [account.account_id])
    _post(book, book.holdings[account.account_id], account, change, done)
    await store.write_book(tx, book)
    await store.end_reading(tx, done)
    if account.owner_client_id is not None and account.is_unread:
        # Cached actors of the owner say that the balance must be read first.
        await store.note_access_changes(tx, [account.owner_client_id])
    synced = Synced(
        provider_account_id=account.id,
        previous_pool=figures.pool,
        change=change,
        in_flight=figures.in_flight,
        checked_at=datetime.now(UTC),
        # Read before COMMIT: there must be no read after it that could fail.
        balances=await store.read_balances(view, tx=tx),
    )
    return {"sync": str(done.id)}, synced


def _post(book: Book, pool: Holding, account: ProviderAccount, change: int, done: NewSync) -> None:
    """Posts one transfer between outside and the pool node, also if the amount is 0.

    Each check of a client's own balance, also the first, is a SYNC line in its statement.
    """
    first = account.read_at is None and change > 0 and account.owner_client_id is None
    book.post(
        TransferKind.OPENING if first else TransferKind.SYNC,
        abs(change),
        source=pool if change < 0 else None,
        destination=None if change < 0 else pool,
        purpose=Purpose(sync_id=done.id, actor_id=done.actor_id),
    )
