"""Cancels messages that are not submitted yet, and refunds exactly those."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from uuid import UUID

from domain.dispatch.messages import CancellableSend, LockedProviderAccount
from domain.dispatch.ports import Cancellations
from domain.dispatch.settlement import post_refunds
from domain.errors import NotFound, OutcomeUnknown
from domain.identity.access import Actor, Everything, Scope, message_scope
from domain.ids import Kind, encode
from domain.ledger.idempotency import Answer, once, own_key
from domain.sending.messages import Message, Send
from domain.transactions import Transaction, changing

_log = logging.getLogger(__name__)

CANCELLED = "Cancelled before it was submitted."

MOST_AT_ONCE = 100_000
"""Messages of one transaction, so that it takes seconds. A scheduled job can have more."""

UNFINISHED_SECONDS = 15.0
"""The process of a cancel counts as killed if its last part is older than this."""


async def cancel_send(store: Cancellations, actor: Actor, send_id: UUID) -> Send:
    """Cancels the QUEUED messages of a send and refunds them. Returns the send as it is then.

    Safe to repeat: messages that are cancelled or submitted already are left as they are. If this
    process is killed after the first part, `finish_cancel` of another one goes on. Raises NotFound,
    Forbidden, TryAgain, OutcomeUnknown.
    """
    return await _cancel_all(store, message_scope(actor), actor.user_id, send_id)


async def finish_cancel(store: Cancellations) -> bool:
    """Goes on with a cancel whose process was killed. True if there may be more.

    A send that no longer exists, as after work on the database by hand, is forgotten.
    """
    claimed = await store.claim_cancel(age_seconds=UNFINISHED_SECONDS)
    if claimed is None:
        return False
    send_id, actor_id = claimed
    try:
        await _cancel_all(store, Everything(), actor_id, send_id)
    except NotFound:
        async with changing(store) as tx:
            await store.end_cancel(tx, send_id)
        _log.warning("a cancel is forgotten: %s does not exist", encode(Kind.SEND, send_id))
    return True


async def _cancel_all(store: Cancellations, scope: Scope, actor_id: UUID, send_id: UUID) -> Send:
    found = await store.find_cancellable(scope, send_id)
    last: UUID | None = None
    while True:
        answer, send = await once(
            store,
            own_key(actor_id, "cancelSend"),
            partial(_cancel, store, scope, found, actor_id, last),
            unknown=OutcomeUnknown(send_id=send_id),
        )
        assert send is not None  # the key is new, so that no earlier call can have used it
        if answer["cancelled"] < MOST_AT_ONCE:
            return send
        # The next part does not read again what this one has cancelled.
        last = UUID(answer["last"]) if answer["last"] else last


async def cancel_message(store: Cancellations, actor: Actor, message_id: UUID) -> Message:
    """Cancels one message if it is QUEUED, and refunds it. Returns the message as it is then.

    Safe to repeat. Raises NotFound, Forbidden, TryAgain, OutcomeUnknown.
    """
    scope = message_scope(actor)
    send_id = (await store.find_message(scope, message_id)).send_id
    found = await store.find_cancellable(scope, send_id)

    async def cancel(tx: Transaction) -> tuple[Answer, Message]:
        count, _ = await _cancel_queued(store, found, actor.user_id, tx, only=message_id)
        return {"cancelled": count}, await store.find_message(scope, message_id, tx=tx)

    key = own_key(actor.user_id, "cancelMessage")
    _, message = await once(store, key, cancel, unknown=OutcomeUnknown(send_id=send_id))
    assert message is not None  # the key is new, so that no earlier call can have used it
    return message


async def cancel_rest(store: Cancellations, send_id: UUID, *, note: str) -> None:
    """Cancels and refunds the messages of a send that its job has not written. Safe to repeat."""
    found = await store.find_cancellable(Everything(), send_id)

    async def cancel(tx: Transaction) -> tuple[Answer, None]:
        count = await store.lock_unwritten(tx, send_id)
        account = await store.lock_provider_account(tx, found.provider_account_id)
        if count:
            await store.cancel_unwritten(tx, send_id)
            await _refund(store, tx, account, found, count, note=note)
        return {"cancelled": count}, None

    await once(store, own_key(send_id, "cancel"), cancel)


async def _cancel(
    store: Cancellations,
    scope: Scope,
    found: CancellableSend,
    actor_id: UUID,
    after: UUID | None,
    tx: Transaction,
) -> tuple[Answer, Send]:
    count, last = await _cancel_queued(store, found, actor_id, tx, after=after)
    if count < MOST_AT_ONCE:
        await store.end_cancel(tx, found.send_id)
    else:
        await store.keep_cancel(tx, found.send_id, actor_id)
    # Read before COMMIT: there must be no read after it that could fail.
    send = await store.find_send(scope, found.send_id, tx=tx)
    return {"cancelled": count, "last": str(last) if last else None}, send


async def _cancel_queued(
    store: Cancellations,
    found: CancellableSend,
    actor_id: UUID,
    tx: Transaction,
    *,
    only: UUID | None = None,
    after: UUID | None = None,
) -> tuple[int, UUID | None]:
    """Cancels and refunds the QUEUED messages of a send `after` an ID, or `only` one.

    Returns how many, and the last one of those that were written. While the send's job is locked,
    it writes nothing: its unwritten messages are cancelled as well.
    """
    unwritten = 0 if only else await store.lock_unwritten(tx, found.send_id)
    account = await store.lock_provider_account(tx, found.provider_account_id)
    count, last = await store.cancel_queued(
        tx, found.send_id, most=MOST_AT_ONCE, only=only, after=after
    )
    if unwritten:
        await store.cancel_unwritten(tx, found.send_id)
        count += unwritten
    if count:
        await _refund(store, tx, account, found, count, note=CANCELLED, actor_id=actor_id)
    return count, last


async def _refund(
    store: Cancellations,
    tx: Transaction,
    account: LockedProviderAccount,
    found: CancellableSend,
    count: int,
    *,
    note: str,
    actor_id: UUID | None = None,
) -> None:
    # They were never marked, so no reading includes them: units come from outside in every epoch.
    refund = replace(found.refund, count=count, note=note)
    book = await store.lock_accounts(tx, [refund.payer_account_id])
    post_refunds(book, account, [refund], actor_id=actor_id)
    await store.write_book(tx, book)
