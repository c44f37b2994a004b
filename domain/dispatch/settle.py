"""Settles UNKNOWN messages, as a person decides.

A message that is UNKNOWN becomes SENT, or REJECTED with its refund. A message that is decided
already is never changed, so everything here is safe to repeat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from domain.dispatch.messages import (
    SettledUnknowns,
    UnknownFilter,
    UnknownKey,
    UnknownMessage,
    UnknownTotal,
)
from domain.dispatch.ports import Settling
from domain.dispatch.recording import decide_unknown
from domain.dispatch.settlement import NOT_TAKEN
from domain.errors import InvalidInput
from domain.identity.access import Actor, Role, message_scope, require
from domain.ledger.idempotency import Answer, once, own_key
from domain.loops import now_seconds
from domain.provider import Accepted, Rejected
from domain.sending.messages import Message
from domain.transactions import Transaction

LONGEST_NOTE = 1_000
PAGE = 500
"""Messages that one transaction settles, or that one query of an export reads."""

SETTLE_SECONDS = 20.0
"""How long one request settles. What is left then is reported, and the request is repeated."""

FIRST_KEY: UnknownKey = (UUID(int=0), datetime.fromtimestamp(0, UTC), UUID(int=0))


async def settle_unknown(
    store: Settling, actor: Actor, message_id: UUID, *, taken: bool, note: str
) -> Message:
    """Settles an UNKNOWN message as SENT, or as REJECTED with its refund. The note is kept.

    Raises Forbidden, NotFound, InvalidInput if the message is not UNKNOWN or the note is not
    usable, TryAgain, OutcomeUnknown.
    """
    require(actor, Role.ADMIN)
    decision = _Decision(_outcome(taken), actor.user_id, _checked(note))
    key = own_key(actor.user_id, "settleUnknown")

    async def settle_and_read(tx: Transaction) -> tuple[Answer, Message]:
        account_id, attempt_id = await store.find_attempt_of(tx, message_id)
        attempts = {message_id: attempt_id} if attempt_id else {}
        if (
            not attempts
            or not (await _settle_messages(store, tx, account_id, attempts, decision))[0]
        ):
            raise InvalidInput("Only a message whose status is UNKNOWN can be settled.")
        # Read before COMMIT: there must be no read after it that could fail.
        return {}, await store.find_message(message_scope(actor), message_id, tx=tx)

    _, message = await once(store, key, settle_and_read)
    assert message is not None  # the key is new, so that no earlier call can have used it
    return message


async def preview_unknowns(store: Settling, actor: Actor, wanted: UnknownFilter) -> SettledUnknowns:
    """The UNKNOWN messages that match, counted. Changes nothing.

    `attempted_before` of the result is the filter's, or the present time without one.

    Raises Forbidden, NotFound if the filter names a send or client that does not exist, TryAgain.
    """
    require(actor, Role.ADMIN)
    await store.check_filter(wanted)
    if wanted.attempted_before is None:
        now = datetime.fromtimestamp(await store.read_clock(), UTC)
        wanted = replace(wanted, attempted_before=now)
    totals = await store.find_unknown_totals(message_scope(actor), wanted)
    return _result(wanted, totals, dry_run=True, remaining=sum(each.messages for each in totals))


async def settle_unknowns(
    store: Settling, actor: Actor, wanted: UnknownFilter, *, taken: bool, note: str
) -> SettledUnknowns:
    """Settles the UNKNOWN messages that match, in pages of short transactions.

    The filter must say `attempted_before`: a message that becomes UNKNOWN after the person has
    looked at the provider's log must not be settled with the others. Ends after SETTLE_SECONDS;
    `remaining` says how many messages are left. Safe to repeat.

    Raises Forbidden, NotFound, InvalidInput, TryAgain. What was settled before stays settled.
    """
    require(actor, Role.ADMIN)
    decision = _Decision(_outcome(taken), actor.user_id, _checked(note))
    if wanted.attempted_before is None:
        raise InvalidInput(
            "filter.attemptedBefore is required: use the value that the dry run returned.",
            field="filter",
        )
    await store.check_filter(wanted)
    until = now_seconds() + SETTLE_SECONDS
    settled: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    after: UnknownKey | None = FIRST_KEY
    while after is not None and now_seconds() < until:
        answer = await _settle_page(store, actor, wanted, decision, after)
        settled[answer["unit"]][0] += answer["messages"]
        settled[answer["unit"]][1] += answer["units"]
        after = _read_after(answer)
    left = await store.find_unknown_totals(message_scope(actor), wanted)
    totals = [UnknownTotal(unit, *each) for unit, each in settled.items() if each[0]]
    return _result(wanted, totals, dry_run=False, remaining=sum(each.messages for each in left))


async def export_unknowns(
    store: Settling, actor: Actor, wanted: UnknownFilter
) -> AsyncIterator[Sequence[UnknownMessage]]:
    """The UNKNOWN messages that match, page by page in the order of `UnknownKey`.

    Raises Forbidden, NotFound and TryAgain, the first two before the first page.
    """
    require(actor, Role.ADMIN)
    await store.check_filter(wanted)
    after = FIRST_KEY
    while True:
        page = await store.list_unknowns(message_scope(actor), wanted, after=after, most=PAGE)
        yield page
        if len(page) < PAGE:
            return
        after = page[-1].key


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a person has decided about messages, and why."""

    outcome: Accepted | Rejected
    actor_id: UUID
    note: str


async def _settle_page(
    store: Settling,
    actor: Actor,
    wanted: UnknownFilter,
    decision: _Decision,
    after: UnknownKey,
) -> Answer:
    """Settles the next messages, all of one provider account, in one transaction."""

    async def settle_page(tx: Transaction) -> tuple[Answer, None]:
        page = await store.find_unknowns(tx, wanted, after=after, most=PAGE)
        if not page:
            return {"unit": "", "messages": 0, "units": 0, "after": None}, None
        first = page[0]
        same = [each for each in page if each.provider_account_id == first.provider_account_id]
        attempts = {each.id: each.attempt_id for each in same}
        messages, units = await _settle_messages(
            store, tx, first.provider_account_id, attempts, decision
        )
        is_last = len(same) == len(page) < PAGE
        next_after = [str(each) for each in same[-1].key]
        answer = {"unit": first.unit, "messages": messages, "units": units}
        return {**answer, "after": None if is_last else next_after}, None

    answer, _ = await once(store, own_key(actor.user_id, "settleUnknowns"), settle_page)
    return answer


async def _settle_messages(
    store: Settling,
    tx: Transaction,
    provider_account_id: UUID,
    attempts: dict[UUID, UUID],
    decision: _Decision,
) -> tuple[int, int]:
    """Settles those that are still UNKNOWN: how many, and their charges in units.

    `attempts`: the attempt of each message.
    """
    transitions = await decide_unknown(
        store,
        tx,
        provider_account_id,
        sorted(set(attempts.values())),
        dict.fromkeys(attempts, decision.outcome),
        actor_id=decision.actor_id,
    )
    if transitions:
        # Only the operator reads attempts. Clients can read the note of a refund.
        first = transitions[0]
        what = f"Message {first.message.id}" if len(attempts) == 1 else "Messages"
        line = f"{what} settled as {first.status.value} by {decision.actor_id}: {decision.note}"
        changed = {each.message.attempt_id for each in transitions if each.message.attempt_id}
        await store.note_on_attempts(tx, sorted(changed), line)
    return len(transitions), sum(each.message.price for each in transitions)


def _outcome(taken: bool) -> Accepted | Rejected:
    return Accepted(None) if taken else Rejected(NOT_TAKEN)


def _read_after(answer: Answer) -> UnknownKey | None:
    after = answer["after"]
    return (UUID(after[0]), datetime.fromisoformat(after[1]), UUID(after[2])) if after else None


def _result(
    wanted: UnknownFilter, totals: Sequence[UnknownTotal], *, dry_run: bool, remaining: int
) -> SettledUnknowns:
    assert wanted.attempted_before is not None
    return SettledUnknowns(
        dry_run=dry_run,
        messages=sum(each.messages for each in totals),
        totals=totals,
        remaining=remaining,
        attempted_before=wanted.attempted_before,
    )


def _checked(note: str) -> str:
    """The note without blanks around it. Raises InvalidInput."""
    words = note.strip()
    if not words or len(words) > LONGEST_NOTE or "\x00" in words:
        raise InvalidInput(
            f"`note` is required (1 to {LONGEST_NOTE:,} characters): explain how you know.",
            field="note",
        )
    return words
