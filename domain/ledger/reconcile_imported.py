"""Reconcile of imported log lines: what another system charged, against the number of messages.

    expected = price x messages of the line
    found    = whole units that the other system charged

Lines never change after their import, so each is corrected at most once. One transfer corrects all
lines of a page that are of one account: a file can have a million lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from functools import partial
from uuid import UUID

from domain.errors import units_in_words
from domain.ids import FIRST_ID, new_id
from domain.ledger.book import Purpose, TransferKind
from domain.ledger.ports import ReconcileImportedStore
from domain.ledger.reconciliation import Difference, ProviderReading, Reconciliation, WrongLine
from domain.ledger.runs import persist
from domain.transactions import Transaction

_Group = tuple[UUID, bool, bool]
"""The account, whether it is charged (or refunded), and whether a reading includes the lines."""


async def corrected_pages(
    store: ReconcileImportedStore, run: Reconciliation
) -> AsyncIterator[tuple[int, int]]:
    """Checks and corrects all lines, page by page. Yields how many lines and messages each has."""
    after = FIRST_ID
    while page := await persist(partial(store.check_imported, after, since=run.since)):
        for provider_account_id in page.wrong:
            last: UUID | None = after
            while last is not None:
                step = partial(_correct, store, run, provider_account_id, last, page.last_id)
                last = await persist(step)
        after = page.last_id
        yield page.lines, page.messages


async def _correct(
    store: ReconcileImportedStore,
    run: Reconciliation,
    provider_account_id: UUID,
    after: UUID,
    until: UUID,
) -> UUID | None:
    """Corrects the next wrong lines of a page. Returns the last of them; None if none is left."""
    async with store.transaction() as tx:
        upstream = await store.share_reading(tx, provider_account_id)
        lines = await store.lock_wrong_lines(
            tx, provider_account_id, after=after, until=until, since=run.since
        )
        if not lines:
            return None
        grouped: dict[_Group, list[WrongLine]] = defaultdict(list)
        for line in lines:
            in_reading = upstream.read_at is not None and line.created_at < upstream.read_at
            grouped[line.account_id, line.expected > line.found, in_reading].append(line)
        moved = {} if run.dry_run else await _move(store, run, upstream, grouped, tx)
        differences = [
            _difference(run, upstream, line, in_reading=group[2], transfer_id=moved.get(group))
            for group, some in grouped.items()
            for line in some
        ]
        await store.write_imported_differences(tx, run.id, differences)
        return lines[-1].id


async def _move(
    store: ReconcileImportedStore,
    run: Reconciliation,
    upstream: ProviderReading,
    grouped: dict[_Group, list[WrongLine]],
    tx: Transaction,
) -> dict[_Group, UUID]:
    """Moves the units of each group, in one transfer each. Returns the transfers.

    As for sends: between the client and the pool if a reading includes the lines, else outside. An
    owned account is its own pool: then nothing moves.
    """
    book = await store.lock_accounts(
        tx, [upstream.account_id, *(account_id for account_id, _, _ in grouped)]
    )
    moved: dict[_Group, UUID] = {}
    for group, lines in grouped.items():
        account_id, is_charge, in_reading = group
        client = book.holdings[account_id]
        other = book.holdings[upstream.account_id] if in_reading else None
        if client is other:
            continue
        transfer = book.post(
            TransferKind.RECONCILE,
            sum(abs(line.expected - line.found) for line in lines),
            source=client if is_charge else other,
            destination=other if is_charge else client,
            purpose=Purpose(actor_id=run.actor_id, note=_note(lines)),
        )
        moved[group] = transfer.id
        if client.held < 0:
            await store.allow_arrears(tx, account_id, -client.held)
    if moved:
        await store.write_book(tx, book)
    return moved


def _difference(
    run: Reconciliation,
    upstream: ProviderReading,
    line: WrongLine,
    *,
    in_reading: bool,
    transfer_id: UUID | None,
) -> Difference:
    stays = in_reading and line.account_id == upstream.account_id
    return Difference(
        id=new_id(),
        reconciliation_id=run.id,
        client_id=line.client_id,
        send_id=None,
        expected=line.expected,
        found=line.found,
        corrected=not run.dry_run,
        in_reading=stays,
        explanation=_explanation(line, upstream.unit, dry_run=run.dry_run, stays=stays),
        imported_line_id=line.id,
        transfer_id=transfer_id,
    )


def _explanation(line: WrongLine, unit: str, *, dry_run: bool, stays: bool) -> str:
    units = units_in_words(abs(line.expected - line.found), unit)
    done = "would be" if dry_run else "was" if units.startswith("1 ") else "were"
    action = f"{units} {done} {'charged' if line.expected > line.found else 'refunded'}."
    if stays:
        action = f"The last reading of the account includes these {units}: nothing is moved."
    return (
        f"Imported line {line.reference} of {line.created_at:%Y-%m-%d}: expected"
        f" {units_in_words(line.expected, unit)}:"
        f" {units_in_words(line.messages, 'message')} at {line.price:,} each. Found"
        f" {units_in_words(line.found, unit)}: the other system charged"
        f" {line.charged.normalize():f}, and parts of a unit count with the client's next line."
        f" {action}"
    )


def _note(lines: Sequence[WrongLine]) -> str:
    messages = units_in_words(sum(line.messages for line in lines), "message")
    times = sorted(line.created_at for line in lines)
    return f"{messages} of another system, {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"
