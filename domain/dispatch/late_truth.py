"""Late truth: what is learned of a message after its call, once and for all.

A person's word (settleUnknown) goes this way, and so do delivery reports and status queries. It
moves what is in doubt to SENT, or to REJECTED with its refund; what is decided stays.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from domain.dispatch.handover import Handover
from domain.dispatch.ports import LateTruths
from domain.dispatch.record import write_settlement
from domain.dispatch.settlement import NOT_TAKEN, Step, Upstream, decide
from domain.errors import InvalidInput
from domain.identity.access import Actor, Role, require
from domain.ledger.idempotency import once, own_key
from domain.ledger.keys import Answer
from domain.outcomes import Accepted, Rejected
from domain.sending.sends import MessageStatus
from domain.transactions import Transaction

LONGEST_NOTE = 1_000


async def settle_unknown(
    store: LateTruths, actor: Actor, message_id: UUID, *, taken: bool, note: str
) -> None:
    """A person's word on a message in doubt: it is SENT, or REJECTED and refunded. The note stays.

    Raises Forbidden, NotFound, and InvalidInput where nothing is in doubt or nothing is said.
    """
    require(actor, Role.ADMIN)
    words = _checked(note)
    truth = Accepted(None) if taken else Rejected(NOT_TAKEN)
    key = own_key(actor.user_id, "settleUnknown")
    answer = await once(
        store, key, partial(_settle, store, message_id, truth, actor.user_id, words)
    )
    if not answer["changed"]:
        raise InvalidInput("Only a message whose status is UNKNOWN can be settled.")


async def settle(store: LateTruths, message_id: UUID, truth: Accepted | Rejected) -> bool:
    """Makes it so, if the message is in doubt. False where it is decided. Safe to repeat.

    Raises NotFound, or TryAgain where the database is away.
    """
    key = own_key(message_id, "settle")
    answer = await once(store, key, partial(_settle, store, message_id, truth, None, None))
    return bool(answer["changed"])


async def _settle(
    store: LateTruths,
    message_id: UUID,
    truth: Accepted | Rejected,
    actor_id: UUID | None,
    note: str | None,
    tx: Transaction,
) -> Answer:
    provider_account_id, attempt_id = await store.find_attempt_of(tx, message_id)
    if attempt_id is None:
        return {"changed": False}
    upstream = await store.lock_upstream(tx, provider_account_id)
    await store.lock_attempts(tx, [attempt_id])
    step = await _step(store, tx, upstream, message_id, attempt_id, truth)
    if step is None:
        return {"changed": False}
    await write_settlement(store, tx, upstream, [step], actor_id=actor_id)
    if note is not None:
        # Kept where the operator alone reads: a refund's own note is seen by the client.
        line = f"Message {message_id} settled as {step.status.value} by {actor_id}: {note}"
        await store.note_on_attempt(tx, attempt_id, line)
    return {"changed": True}


async def _step(
    store: LateTruths,
    tx: Transaction,
    upstream: Upstream,
    message_id: UUID,
    attempt_id: UUID,
    truth: Accepted | Rejected,
) -> Step | None:
    standings = await store.lock_undecided(tx, [attempt_id], only=message_id)
    for standing in standings:
        if standing.status is MessageStatus.UNKNOWN:
            return decide(standing, truth, epoch=upstream.epoch, rules=Handover())
    return None


def _checked(note: str) -> str:
    """The note, as it can be kept. Raises InvalidInput."""
    words = note.strip()
    if not words or len(words) > LONGEST_NOTE or "\x00" in words:
        raise InvalidInput(f"Say in 1 to {LONGEST_NOTE} characters how you know.", field="note")
    return words
