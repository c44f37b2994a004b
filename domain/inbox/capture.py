"""Captures contacts from committed sends, within seconds.

This happens in separate transactions: in the accept path, two bulk sends with the same numbers
could deadlock. It is safe to repeat. It also indexes messages by number, adds them to existing
conversations, and cancels messages to numbers that opted out while the send was being accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.dispatch.messages import UncapturedSend
from domain.dispatch.ports import Captures
from domain.ids import FIRST_ID
from domain.inbox.opt_out import cancel_queued_to
from domain.inbox.ports import OptOuts
from domain.transactions import Transaction

MOST_SENDS = 500
MOST_MESSAGES = 5_000
"""Messages of one transaction. A larger send takes several."""


class CaptureStore(OptOuts, Captures, Protocol):
    """Everything that capturing needs."""


async def capture_contacts(store: CaptureStore) -> bool:
    """Captures sends that are not captured yet. True if there may be more.

    Takes small sends together, and one part of the first large one, so that it delays no others.
    """
    async with store.transaction(keeps_plans=True) as tx:
        found = await store.take_uncaptured(tx, most=MOST_SENDS)
        sends = _first_that_fit(found)
        if sends:
            await _capture(store, tx, sends)
            await store.keep_captured(tx, [send.send_id for send in sends])
    large = next((send for send in found if _takes_parts(send)), None)
    if large is not None:
        await _capture_part(store, large.send_id)
    return bool(found)


async def capture_send(store: CaptureStore, send_id: UUID) -> None:
    """Captures one small send now. Does nothing if another process is capturing it."""
    async with store.transaction(keeps_plans=True) as tx:
        sends = await store.take_uncaptured(tx, most=1, send_id=send_id)
        if sends:
            await _capture(store, tx, sends)
            await store.keep_captured(tx, [send_id])


async def _capture(store: CaptureStore, tx: Transaction, sends: Sequence[UncapturedSend]) -> None:
    """Captures all messages of small sends."""
    await store.share_feeds(tx, {send.client_id for send in sends})
    await store.capture_numbers(tx, sends, after=FIRST_ID, most=MOST_MESSAGES)
    ids = [send.send_id for send in sends]
    opted_out = await store.opted_out_among(tx, ids, after=FIRST_ID, until=None)
    await cancel_queued_to(store, tx, opted_out)


async def _capture_part(store: CaptureStore, send_id: UUID) -> None:
    """Captures the next messages of a send. Does nothing if another process is capturing it."""
    async with store.transaction(keeps_plans=True) as tx:
        for send in await store.take_uncaptured(tx, most=1, send_id=send_id):
            after = send.captured_to or FIRST_ID
            await store.share_feeds(tx, [send.client_id])
            last = await store.capture_numbers(tx, [send], after=after, most=MOST_MESSAGES)
            if last is not None:
                # For this part alone: reading the whole send for each part would be slow.
                opted_out = await store.opted_out_among(tx, [send_id], after=after, until=last)
                await cancel_queued_to(store, tx, opted_out)
                await store.keep_captured_to(tx, send_id, last)
            elif send.is_written:  # found before the messages were read, so none is missed
                await store.keep_captured(tx, [send_id])


def _takes_parts(send: UncapturedSend) -> bool:
    return send.accepted > MOST_MESSAGES or send.captured_to is not None or not send.is_written


def _first_that_fit(found: Sequence[UncapturedSend]) -> list[UncapturedSend]:
    """The first of the small sends that fit into one transaction."""
    fitting: list[UncapturedSend] = []
    messages = 0
    for send in found:
        if not _takes_parts(send):
            messages += send.accepted
            if messages > MOST_MESSAGES:
                break
            fitting.append(send)
    return fitting
