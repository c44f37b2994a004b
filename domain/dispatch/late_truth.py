"""Late truth: what is learned of a message after its call, once and for all.

A person's word (settleUnknown) goes this way, and so do delivery reports and status queries. It
moves what is in doubt to SENT, or to REJECTED with its refund; what is decided stays.
"""

from __future__ import annotations

from uuid import UUID

from domain.dispatch.handover import Handover
from domain.dispatch.ports import LateTruths
from domain.dispatch.record import write_settlement
from domain.dispatch.settlement import NOT_TAKEN, Step, Upstream, decide
from domain.errors import InvalidInput
from domain.identity.access import Actor, Role, message_scope, require
from domain.ledger.idempotency import Answer, once, own_key
from domain.outcomes import Accepted, Rejected
from domain.sending.sends import Message, MessageStatus
from domain.transactions import Transaction

LONGEST_NOTE = 1_000


async def settle_unknown(
    store: LateTruths, actor: Actor, message_id: UUID, *, taken: bool, note: str
) -> Message:
    """Settles an UNKNOWN message as SENT, or as REJECTED with its refund. The note is kept.

    Raises Forbidden, NotFound, InvalidInput if the message is not UNKNOWN or the note is not
    usable, TryAgain, OutcomeUnknown.
    """
    require(actor, Role.ADMIN)
    words = _checked(note)
    truth = Accepted(None) if taken else Rejected(NOT_TAKEN)
    key = own_key(actor.user_id, "settleUnknown")

    async def settle_and_read(tx: Transaction) -> tuple[Answer, Message]:
        answer = await _settle(store, message_id, truth, actor.user_id, words, tx)
        if not answer["changed"]:
            raise InvalidInput("Only a message whose status is UNKNOWN can be settled.")
        # Read before COMMIT: there must be no read after it that could fail.
        return answer, await store.find_message(message_scope(actor), message_id, tx=tx)

    _, message = await once(store, key, settle_and_read)
    assert message is not None  # the key is new, so that no earlier call can have used it
    return message


async def settle(store: LateTruths, message_id: UUID, truth: Accepted | Rejected) -> bool:
    """Makes it so, if the message is in doubt. False where it is decided. Safe to repeat.

    Raises NotFound, or TryAgain where the database is away.
    """
    key = own_key(message_id, "settle")

    async def settle_only(tx: Transaction) -> tuple[Answer, None]:
        return await _settle(store, message_id, truth, None, None, tx), None

    answer, _ = await once(store, key, settle_only)
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
