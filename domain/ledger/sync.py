"""Sync: sets a pool to what the provider says that it holds. Moves no client's units.

Two traps. *In flight*: what is charged here and not yet taken by the provider is not yet in its
reading, so that pool := reading - in flight; nothing may change hands between the two, hence the
pause of marks (`reading_until`) and the wait for open calls. *Epochs*: what the provider did
before a reading is inside that reading; each sync raises the account's epoch, and a refund whose
deciding attempt is older moves units within the pool (`domain.dispatch.settlement`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from domain.clock import now_seconds
from domain.errors import Forbidden, NotFound, ProviderUnavailable, TryAgain
from domain.identity.access import Actor, Role, require
from domain.ids import new_id
from domain.ledger.book import Book, Holding, Purpose, TransferKind
from domain.ledger.idempotency import once, own_key
from domain.ledger.keys import Answer
from domain.ledger.ports import NewSync, PoolFigures, ProviderAccount, SyncStore
from domain.ledger.valuation import units_of_reading
from domain.provider import Provider, Reading
from domain.transactions import Transaction

POLL_SECONDS = 0.05
TRIES = 3


@dataclass(frozen=True, slots=True)
class Pause:
    """How long marks may be held back: a crashed call's lease, a reading, and some air."""

    lease_seconds: float = 30.0
    deadline_seconds: float = 10.0

    @property
    def seconds(self) -> float:
        """The longest that one try may take."""
        return self.lease_seconds + 2 * self.deadline_seconds


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync found and did, in units."""

    provider_account_id: UUID
    previous_pool: int
    change: int
    in_flight: int
    checked_at: datetime


class _Lapsed(Exception):
    """The pause of marks ran out, or was another reader's: nothing was written."""


async def account_to_sync(
    store: SyncStore, actor: Actor, provider_account_id: UUID | None
) -> ProviderAccount:
    """The account that the actor means and may sync: an admin any, a client the own one.

    Raises Forbidden before an id is looked up where the actor can own none, else NotFound.
    """
    require(actor, Role.ADMIN, Role.CLIENT)
    if actor.role is Role.ADMIN:
        return await store.find_provider_account(provider_account_id)
    owned = actor.payer.provider_account_id if actor.payer else None
    account = await store.find_provider_account(owned) if owned else None
    if account is None or account.owner_client_id != actor.client_id:
        raise Forbidden("Your account's balance is kept by your operator.")
    if provider_account_id not in (None, account.id):
        raise NotFound("provider account")
    return account


async def sync(
    store: SyncStore,
    provider: Provider,
    account: ProviderAccount,
    *,
    actor_id: UUID | None,
    pause: Pause | None = None,
) -> Synced:
    """Reads the provider's balance and sets the pool to it. Safe to repeat and to run twice.

    Raises ProviderUnavailable: the last good reading stays, with its age.
    """
    pause = pause or Pause()
    for _ in range(TRIES):
        reader_id = new_id()
        try:
            await _pause_marks(store, account.id, reader_id, pause)
            reading, units = await _read(store, provider, account, reader_id)
            return await _set_pool(store, account.id, reader_id, reading, units, actor_id)
        except _Lapsed:
            continue
        finally:
            # Also where the caller went away in the middle: nobody waits for a pause to run out,
            # unless the database is away. What was read, or why it was not, is told all the same.
            with suppress(TryAgain):
                await asyncio.shield(store.lift_pause(account.id, reader_id=reader_id))
    raise ProviderUnavailable("The balance could not be read undisturbed. Try again.")


async def _read(
    store: SyncStore, provider: Provider, account: ProviderAccount, reader_id: UUID
) -> tuple[Reading, int]:
    """The reading, and the units that it stands for."""
    try:
        reading = await provider.balance()
        return reading, units_of_reading(reading.value, account.valuation)
    except ProviderUnavailable:
        await store.fail_reading(account.id, reader_id=reader_id)
        raise
    except ValueError as beyond:
        await store.fail_reading(account.id, reader_id=reader_id)
        raise ProviderUnavailable(
            "The SMS network did not say a balance that can be read."
        ) from beyond


async def _pause_marks(store: SyncStore, account_id: UUID, reader_id: UUID, pause: Pause) -> None:
    """Returns when no call of the account is under way and none can begin."""
    give_up_at = now_seconds() + pause.seconds
    while not await store.begin_reading(account_id, reader_id=reader_id, seconds=pause.seconds):
        if now_seconds() > give_up_at:
            raise ProviderUnavailable("Another check of this balance is under way. Try again.")
        await asyncio.sleep(POLL_SECONDS)
    while await store.open_calls(account_id):  # noqa: ASYNC110 - other processes' calls
        await asyncio.sleep(POLL_SECONDS)


async def _set_pool(
    store: SyncStore,
    account_id: UUID,
    reader_id: UUID,
    reading: Reading,
    units: int,
    actor_id: UUID | None,
) -> Synced:
    answer = await once(
        store,
        own_key(reader_id, "sync"),
        partial(_write, store, account_id, reader_id, reading, units, actor_id),
    )
    return Synced(
        provider_account_id=account_id,
        previous_pool=answer["previous_pool"],
        change=answer["change"],
        in_flight=answer["in_flight"],
        checked_at=datetime.now(UTC),
    )


async def _write(
    store: SyncStore,
    account_id: UUID,
    reader_id: UUID,
    reading: Reading,
    units: int,
    actor_id: UUID | None,
    tx: Transaction,
) -> Answer:
    account = await store.lock_reading(tx, account_id, reader_id=reader_id)
    if account is None:
        raise _Lapsed
    figures = await store.pool_figures(tx, account_id)
    change = units - figures.in_flight - figures.pool
    done = _new_sync(account, figures, reading, units, actor_id)
    book = await store.lock_accounts(tx, [account.account_id])
    _post(book, book.holdings[account.account_id], account, change, done)
    await store.write_book(tx, book)
    await store.end_reading(tx, done)
    return {"previous_pool": figures.pool, "change": change, "in_flight": figures.in_flight}


def _new_sync(
    account: ProviderAccount,
    figures: PoolFigures,
    reading: Reading,
    units: int,
    actor_id: UUID | None,
) -> NewSync:
    return NewSync(
        id=new_id(),
        provider_account_id=account.id,
        raw=reading.raw,
        reading=units,
        in_flight=figures.in_flight,
        pool_before=figures.pool,
        pool_after=units - figures.in_flight,
        epoch=account.epoch + 1,
        actor_id=actor_id,
    )


def _post(book: Book, pool: Holding, account: ProviderAccount, change: int, done: NewSync) -> None:
    """One transfer between outside and the pool node; every check leaves a line, if only of 0."""
    first = account.read_at is None and change > 0
    book.post(
        TransferKind.OPENING if first else TransferKind.SYNC,
        abs(change),
        source=pool if change < 0 else None,
        destination=None if change < 0 else pool,
        purpose=Purpose(sync_id=done.id, actor_id=done.actor_id),
    )
