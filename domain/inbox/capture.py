"""Capturing contacts: whoever a client has sent to stands in its contacts within seconds.

From committed sends, in transactions of its own: in the accept path two overlapping bulks would
wait for each other in a circle. What is done twice changes nothing. What is captured is known by
number from then on, joins the conversation with that number where there is one, and is called back
where the number has opted out while it was being accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.dispatch.ports import Captures, Uncaptured
from domain.inbox.opt_out import call_back
from domain.inbox.ports import OptOuts
from domain.transactions import Transaction

MOST_SENDS = 500
MOST_MESSAGES = 5_000
"""Of one transaction; a send with more of them takes several."""

BEGINNING = UUID(int=0)


class CaptureStore(Captures, OptOuts, Protocol):
    """All that capturing needs."""


async def capture_contacts(store: CaptureStore) -> bool:
    """Captures the numbers of sends that are not captured yet. True where there may be more."""
    async with store.transaction() as tx:
        found = await store.take_uncaptured(tx, most=MOST_SENDS)
        sends = _together(found)
        if sends:
            await _capture(store, tx, sends, BEGINNING)
            await store.keep_captured(tx, [send.send_id for send in sends])
    if found and not sends:
        await _capture_large(store, found[0].send_id)
    return bool(found)


async def capture_send(store: CaptureStore, send_id: UUID) -> None:
    """Captures one small send at once; where somebody else is at it, nothing is done."""
    async with store.transaction() as tx:
        sends = await store.take_uncaptured(tx, most=1, send_id=send_id)
        if sends:
            await _capture(store, tx, sends, BEGINNING)
            await store.keep_captured(tx, [send_id])


async def _capture(
    store: CaptureStore, tx: Transaction, sends: Sequence[Uncaptured], after: UUID
) -> UUID | None:
    """Captures the next messages behind `after`: the last of them, None where that was all."""
    await store.share_feeds(tx, {send.client_id for send in sends})
    last = await store.capture_numbers(tx, sends, after=after, most=MOST_MESSAGES)
    await call_back(store, tx, await store.opted_out_among(tx, [send.send_id for send in sends]))
    return last


async def _capture_large(store: CaptureStore, send_id: UUID) -> None:
    """Captures one send, part by part; stops where somebody else is at it."""
    after: UUID | None = BEGINNING
    while after is not None:
        async with store.transaction() as tx:
            sends = await store.take_uncaptured(tx, most=1, send_id=send_id)
            if not sends:
                return
            after = await _capture(store, tx, sends, after)
            if after is None:
                await store.keep_captured(tx, [send_id])


def _together(found: Sequence[Uncaptured]) -> list[Uncaptured]:
    """As many of the first sends as fit into one transaction; none where the first is too large."""
    together: list[Uncaptured] = []
    messages = 0
    for send in found:
        messages += send.accepted
        if messages > MOST_MESSAGES:
            break
        together.append(send)
    return together
