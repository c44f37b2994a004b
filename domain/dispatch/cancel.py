"""Calling a send back: what is not handed over yet, and exactly its charge."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import UUID

from domain.dispatch.ports import Cancellations, Charged
from domain.dispatch.settlement import post_refunds
from domain.identity.access import Actor, message_scope
from domain.ledger.idempotency import once, own_key
from domain.ledger.keys import Answer
from domain.transactions import Transaction

CANCELLED = "Called back before it was handed over."


async def cancel_send(store: Cancellations, actor: Actor, send_id: UUID) -> int:
    """What of the send is QUEUED is CANCELLED and its charge given back. Returns how many.

    Safe to repeat: what is cancelled, or being handed over, is left as it is. Raises NotFound for
    what is not the actor's, Forbidden, or TryAgain.
    """
    charged = await store.find_charged(message_scope(actor), send_id)
    key = own_key(actor.user_id, "cancelSend")
    answer = await once(store, key, partial(_cancel, store, charged, actor.user_id))
    return int(answer["cancelled"])


async def _cancel(
    store: Cancellations, charged: Charged, actor_id: UUID, tx: Transaction
) -> Answer:
    upstream = await store.lock_upstream(tx, charged.provider_account_id)
    count = await store.cancel_queued(tx, charged.send_id)
    if count:
        # Never marked, hence in no reading: it comes back from outside, whatever the epoch.
        refund = replace(charged.refund, count=count, note=CANCELLED)
        book = await store.lock_accounts(tx, [refund.payer_account_id])
        post_refunds(book, upstream, [refund], actor_id=actor_id)
        await store.write_book(tx, book)
    return {"cancelled": count}
