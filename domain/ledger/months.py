"""The figures of a month: computed when it is closed, and again by a full audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from domain.ids import FIRST_ID, first_id_at
from domain.ledger.audits import AuditStore
from domain.ledger.checkpoints import (
    AccountAtClose,
    AccountStart,
    Checkpoint,
    SendsOfMonth,
)
from domain.ledger.runs import Pace

MOST_ACCOUNTS = 500
MOST_ENTRIES = 10_000
"""How much one page reads, so that a statement takes less than 100 ms."""


async def accounts_at_close(
    store: AuditStore, previous: Checkpoint | None, ends_at: datetime, pace: Pace
) -> AsyncIterator[AccountAtClose]:
    """Each account that had transfers before that time, in the order of IDs."""
    after = FIRST_ID
    previous_id = previous.id if previous else None
    while starts := await pace.read(
        partial(store.next_accounts, after, most=MOST_ACCOUNTS, checkpoint_id=previous_id)
    ):
        for page in pages_of_accounts(starts):
            for account in await _at_close(store, page, ends_at, pace):
                if account.version:
                    yield account
        after = starts[-1].account_id


async def _at_close(
    store: AuditStore, starts: Sequence[AccountStart], ends_at: datetime, pace: Pace
) -> Sequence[AccountAtClose]:
    """The accounts after their last transfers of the month, in order."""
    found = {
        each.account_id: AccountAtClose(each.account_id, each.proven_version, each.proven_balance)
        for each in starts
    }
    unread = list(found.values())
    while unread:
        pages = await pace.read(
            partial(store.read_month, unread, ends_at=ends_at, most=MOST_ENTRIES)
        )
        for page in pages:
            found[page.account_id] = page.added_to(found[page.account_id])
        unread = [found[page.account_id] for page in pages if not page.is_last]
    return list(found.values())


async def sends_of_month(
    store: AuditStore, previous: Checkpoint | None, ends_at: datetime, pace: Pace
) -> SendsOfMonth:
    """The sums of all sends of the month, as they are now."""
    sums = SendsOfMonth()
    after, until = previous.id if previous else UUID(int=0), first_id_at(ends_at)
    while page := await pace.read(partial(store.sum_sends, after, until)):
        after, of_page = page
        sums += of_page
    return sums


async def closed_accounts(
    store: AuditStore, checkpoint: Checkpoint, pace: Pace
) -> AsyncIterator[AccountAtClose]:
    """The accounts of a checkpoint, in the order of IDs."""
    after = FIRST_ID
    while page := await pace.read(
        partial(store.read_closed_accounts, checkpoint.id, after, most=MOST_ENTRIES)
    ):
        for account in page:
            yield account
        after = page[-1].account_id


async def violations_of_month(
    store: AuditStore, previous: Checkpoint | None, checkpoint: Checkpoint, pace: Pace
) -> AsyncIterator[str]:
    """The differences between a checkpoint and its transfers and sends, in words."""
    closed = {each.account_id: each async for each in closed_accounts(store, checkpoint, pace)}
    async for now in accounts_at_close(store, previous, checkpoint.ends_at, pace):
        then = closed.pop(now.account_id, AccountAtClose(now.account_id))
        if now != then:
            yield (
                f"the checkpoint of {checkpoint.month} says that account {now.account_id} held"
                f" {then.balance} at version {then.version} after {_moved(then)}; its transfers"
                f" say {now.balance} at version {now.version} after {_moved(now)}"
            )
    for account_id in closed:
        yield f"the checkpoint of {checkpoint.month} has account {account_id} without transfers"
    sends = await sends_of_month(store, previous, checkpoint.ends_at, pace)
    if sends.lasting != checkpoint.sends.lasting:
        yield (
            f"the checkpoint of {checkpoint.month} says (sends, messages, charged)"
            f" {checkpoint.sends.lasting}; the sends say {sends.lasting}"
        )


def _moved(account: AccountAtClose) -> str:
    moved = sorted(account.moved.items())
    return ", ".join(f"{kind} {units:+}" for kind, units in moved) or "no transfers"


def pages_of_accounts(starts: Sequence[AccountStart]) -> Iterator[list[AccountStart]]:
    """The accounts in groups of about MOST_ENTRIES transfers that are not proven yet."""
    page: list[AccountStart] = []
    entries = 0
    for each in starts:
        page.append(each)
        entries += max(each.version - each.proven_version, 0)
        if entries >= MOST_ENTRIES:
            yield page
            page, entries = [], 0
    if page:
        yield page
