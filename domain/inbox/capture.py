"""Captures contacts from committed sends, within seconds.

This happens in transactions of its own: in the accept path, two bulk sends with the same numbers
could deadlock. It is safe to repeat. It also indexes messages by number, adds them to existing
conversations, and cancels messages to numbers that opted out while the send was being accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.dispatch.messages import Uncaptured
from domain.dispatch.ports import Captures
from domain.inbox.opt_out import cancel_queued_to
from domain.inbox.ports import OptOuts
from domain.transactions import Transaction

MOST_SENDS = 500
MOST_MESSAGES = 5_000
"""Messages of one transaction. A larger send takes several."""

BEGINNING = UUID(int=0)


class CaptureStore(OptOuts, Captures, Protocol):
    """Everything that capturing needs."""


async def capture_contacts(store: CaptureStore) -> bool:
    """Captures sends that are not captured yet. True if there may be more."""
    async with store.transaction() as tx:
        found = await store.take_uncaptured(tx, most=MOST_SENDS)
        sends = _first_that_fit(found)
        if sends:
            await _capture(store, tx, sends, BEGINNING)
            await store.keep_captured(tx, [send.send_id for send in sends])
    if found and not sends:
        await _capture_large(store, found[0].send_id)
    return bool(found)


async def capture_send(store: CaptureStore, send_id: UUID) -> None:
    """Captures one small send now. Does nothing if another process is capturing it."""
    async with store.transaction() as tx:
        sends = await store.take_uncaptured(tx, most=1, send_id=send_id)
        if sends:
            await _capture(store, tx, sends, BEGINNING)
            await store.keep_captured(tx, [send_id])


async def _capture(
    store: CaptureStore, tx: Transaction, sends: Sequence[Uncaptured], after: UUID
) -> UUID | None:
    """Captures the next messages after `after`. Returns the last one, None if there are no more."""
    await store.share_feeds(tx, {send.client_id for send in sends})
    last = await store.capture_numbers(tx, sends, after=after, most=MOST_MESSAGES)
    # Of this part alone. To read the whole send for each part would make a send of a million slow.
    ids = [send.send_id for send in sends]
    opted_out = await store.opted_out_among(tx, ids, after=after, until=last)
    await cancel_queued_to(store, tx, opted_out)
    return last


async def _capture_large(store: CaptureStore, send_id: UUID) -> None:
    """Captures one send in several transactions. Stops if another process is capturing it."""
    after: UUID | None = BEGINNING
    while after is not None:
        async with store.transaction() as tx:
            sends = await store.take_uncaptured(tx, most=1, send_id=send_id)
            if not sends:
                return
            after = await _capture(store, tx, sends, after)
            if after is None:
                await store.keep_captured(tx, [send_id])


def _first_that_fit(found: Sequence[Uncaptured]) -> list[Uncaptured]:
    """The first sends that fit into one transaction, none if the first is too large."""
    fitting: list[Uncaptured] = []
    messages = 0
    for send in found:
        messages += send.accepted
        if messages > MOST_MESSAGES:
            break
        fitting.append(send)
    return fitting
