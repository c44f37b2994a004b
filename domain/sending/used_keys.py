"""Says what was accepted with an idempotency key, for a caller that has lost the answer.

A key that was not used is closed: it can be used no more. So the answer stays true, also if the
request of the caller arrives later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import IdempotencyConflict, InvalidInput
from domain.identity.access import Actor, own_scope
from domain.ledger.idempotency import Answer, once
from domain.sending.messages import Send, SendKind
from domain.sending.send import check_rate, find_accepted, key_by
from domain.transactions import Transaction

if TYPE_CHECKING:
    from domain.installation import Installation

CLOSED: Answer = {"closed": True}


async def send_of_key(installation: Installation, actor: Actor, key: str) -> Send | None:
    """The send that was accepted with the key. None if none was: then the key is closed.

    Waits for a request with the key that is being accepted. Raises InvalidInput, also for a file
    that was sent; RateLimited, because a closed key is a row; IdempotencyConflict if something else
    was done with the key; and what `once` raises.
    """
    check_rate(installation, own_scope(actor).client_id)
    keyed = key_by(actor, key, "settle", None)
    assert keyed is not None

    async def close(tx: Transaction) -> tuple[Answer, None]:
        return CLOSED, None

    try:
        await once(installation.store, keyed, close)
    except IdempotencyConflict:
        stored = await installation.store.find_answers(None, [keyed])
        if keyed.id not in stored or "send" not in stored[keyed.id][1]:
            raise
        send = await find_accepted(installation, actor, UUID(stored[keyed.id][1]["send"]))
    else:
        return None
    if send.kind is SendKind.CSV:
        raise InvalidInput("A file was sent with this key.")
    return send
