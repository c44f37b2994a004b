"""Reconcile: compares the charge of every send with its messages, and corrects differences.

    expected = price x (messages that the provider accepted or that are not decided yet)
    found    = charge - refunds + earlier corrections

Expected is counted by message and never by a USD rate. A correction charges what is missing or
refunds what is too much, in one transfer. Before it is written, the send is read again under locks:
two runs at once, or a run that was killed and started again, correct each difference once. One run
is started each night.

Imported lines of another system's log follow, and are counted as sends: `reconcile_imported`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from domain.errors import AlreadyRunning, units_in_words
from domain.identity.access import Actor, Role, require
from domain.ids import FIRST_ID, new_id
from domain.ledger.balances import value_usd
from domain.ledger.book import Purpose, TransferKind
from domain.ledger.ports import ReconcileStore
from domain.ledger.reconcile_imported import corrected_pages
from domain.ledger.reconciliation import (
    CheckedSend,
    Difference,
    ProviderReading,
    Reconciliation,
    explain,
)
from domain.ledger.runs import Runs, persist
from domain.transactions import Transaction

Report = Callable[[Reconciliation], None]
"""Called with the run after each page."""


async def start_reconciliation(
    store: ReconcileStore, actor: Actor, *, dry_run: bool, since: datetime | None
) -> Reconciliation:
    """Adds a run for an admin. Raises AlreadyRunning if another run is in progress."""
    require(actor, Role.ADMIN)
    return await new_reconciliation(store, actor_id=actor.user_id, dry_run=dry_run, since=since)


async def new_reconciliation(
    store: ReconcileStore,
    *,
    actor_id: UUID | None = None,
    dry_run: bool = False,
    since: datetime | None = None,
) -> Reconciliation:
    """Adds a run without an actor: nightly, or from the command line. Raises AlreadyRunning."""
    return await store.begin_reconciliation(new_id(), actor_id, dry_run=dry_run, since=since)


async def reconcile(
    store: ReconcileStore, run: Reconciliation, *, report: Report = lambda run: None
) -> Reconciliation:
    """Runs to the end, page by page. Returns the finished run.

    Each page is read in one snapshot, and each correction is a separate transaction. Continues
    after outages of the database of a few minutes, then raises TryAgain or Disconnected.
    """
    after, sends, messages = FIRST_ID, 0, 0
    while page := await persist(partial(store.check_sends, after, since=run.since)):
        for send_id in page.suspicious:
            await persist(partial(_correct, store, run, send_id))
        after, sends, messages = page.last_id, sends + page.sends, messages + page.messages
        run = await persist(partial(store.count_checked, run.id, sends=sends, messages=messages))
        report(run)
    async for lines, of_lines in corrected_pages(store, run):
        sends, messages = sends + lines, messages + of_lines
        run = await persist(partial(store.count_checked, run.id, sends=sends, messages=messages))
        report(run)
    run = await persist(partial(store.finish_reconciliation, run.id))
    report(run)
    return run


async def _correct(store: ReconcileStore, run: Reconciliation, send_id: UUID) -> None:
    """Checks one send again under locks, and corrects it."""
    async with store.transaction() as tx:
        upstream = await store.share_provider_account(tx, send_id)
        # Every transfer of a send locks its account. Under this lock no message of the send can be
        # settled or cancelled, and no transfer of it can be written.
        send = await store.lock_checked_send(tx, send_id, epoch=upstream.epoch)
        if send.units != 0:
            await _write(store, run, upstream, send, tx)


async def _write(
    store: ReconcileStore,
    run: Reconciliation,
    upstream: ProviderReading,
    send: CheckedSend,
    tx: Transaction,
) -> None:
    through_pool = send.is_in_reading(upstream.read_at)
    # The pool node of an owned account is the client's node: there is nothing to move.
    in_reading = through_pool and send.account_id == upstream.account_id
    if not run.dry_run and not in_reading:
        await _move(store, run, upstream, send, tx, through_pool=through_pool)
    await store.write_difference(
        tx,
        Difference(
            id=new_id(),
            reconciliation_id=run.id,
            client_id=send.client_id,
            send_id=send.send_id,
            expected=send.expected,
            found=send.found,
            corrected=not run.dry_run,
            in_reading=in_reading and not run.dry_run,
            explanation=explain(
                send, unit=upstream.unit, dry_run=run.dry_run, in_reading=in_reading
            ),
        ),
    )


async def _move(
    store: ReconcileStore,
    run: Reconciliation,
    upstream: ProviderReading,
    send: CheckedSend,
    tx: Transaction,
    *,
    through_pool: bool,
) -> None:
    """Moves the units between the client and outside, or the pool if a reading includes them."""
    accounts = [send.account_id, *([upstream.account_id] if through_pool else [])]
    book = await store.lock_accounts(tx, accounts)
    client = book.holdings[send.account_id]
    other = book.holdings[upstream.account_id] if through_pool else None
    is_charge = send.units > 0
    book.post(
        TransferKind.RECONCILE,
        abs(send.units),
        source=client if is_charge else other,
        destination=other if is_charge else client,
        purpose=Purpose(
            send_id=send.send_id,
            actor_id=run.actor_id,
            rate_usd=send.rate_usd,
            value_usd=value_usd(abs(send.units), send.rate_usd),
        ),
    )
    if client.held < 0:
        # Only reconcile takes an account below zero: all other code checks the balance first.
        await store.allow_arrears(tx, client.account_id, -client.held)
    await store.write_book(tx, book)


NIGHTLY_HOUR_UTC = 2


class Reconciler(Runs[Reconciliation]):
    """The background task. A run can be cancelled: each correction is a separate transaction."""

    def __init__(self, store: ReconcileStore) -> None:
        super().__init__(
            "reconciliation", lambda run, report: reconcile(store, run, report=report), summary
        )
        self._store = store

    async def start_nightly(self) -> bool:
        """Queues the run of this night, unless a process has done so. Cheap: a loop calls it."""
        if await self._store.start_daily("reconcile", not_since=last_night(datetime.now(UTC))):
            with suppress(AlreadyRunning):
                self.add(await new_reconciliation(self._store))
        return False


def last_night(now: datetime) -> datetime:
    """The latest 02:00 UTC that is not after `now`."""
    tonight = now.replace(hour=NIGHTLY_HOUR_UTC, minute=0, second=0, microsecond=0)
    return tonight if tonight <= now else tonight - timedelta(days=1)


def summary(run: Reconciliation) -> str:
    """A finished run in one line."""
    would = "would be " if run.dry_run else ""
    return (
        f"{units_in_words(run.sends_checked, 'send')} and"
        f" {units_in_words(run.messages_checked, 'message')} checked,"
        f" {units_in_words(run.charged_missing, 'unit')} {would}charged,"
        f" {units_in_words(run.refunded_excess, 'unit')} {would}refunded,"
        f" {units_in_words(run.unknown_left, 'message')} UNKNOWN"
    )
