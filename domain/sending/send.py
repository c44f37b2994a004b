"""Sending, as a client asks for it: the checks in their order, then one charge for what is valid.

In this order, for send, bulkSend, bulkSendMulti and csvSend alike: the idempotency key, the
account's status, the text, the recipients, the limits, the balance. The whole request or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from domain.errors import (
    NotFound,
    NoValidRecipients,
    OptedOut,
    RateLimited,
    TooManyRecipients,
)
from domain.identity.access import Actor, OfClient, Payer, payer_of
from domain.ids import new_id
from domain.ledger.idempotency import find_kept, key_of
from domain.ledger.keys import IdempotencyKey
from domain.ledger.valuation import value_usd
from domain.rejections import RejectedRecipient
from domain.sending.accept import Refused, Replayed, Taken, Verdict
from domain.sending.recipients import Recipients, sort_normalised
from domain.sending.room import LARGE
from domain.sending.sends import MessageStatus, NewSend, Send, SendKind
from domain.sending.text import Encoding, check_text, costly_characters, encoding_of, segments_of

if TYPE_CHECKING:
    from domain.installation import Installation

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """A text of its own for one recipient."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be sent to whom, as it was given; its texts are checked.

    `texts`: one a recipient, same order; None where all share `text`. `lines`: where each stands
    in the file that it is from.
    """

    kind: SendKind
    to: Sequence[str]
    text: str | None = None
    texts: Sequence[str] | None = None
    lines: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What a send would do and cost."""

    accepted: int
    rejected: Sequence[RejectedRecipient]
    rejected_count: int
    encoding: Encoding
    segments: int
    costly_characters: Sequence[str]
    cost: int
    balance: int
    affordable: bool


async def send(
    installation: Installation, actor: Actor, *, to: str, text: str, key: str | None
) -> Send:
    """Accepts one message to one number."""
    keyed = key_by(actor, key, "send", {"to": to, "text": text})
    return await _send(installation, actor, Wanted(SendKind.SINGLE, [to], text), keyed)


async def bulk_send(
    installation: Installation, actor: Actor, *, to: Sequence[str], text: str, key: str | None
) -> Send:
    """Accepts one text to many numbers; a number that stands twice counts once."""
    keyed = key_by(actor, key, "bulkSend", {"to": list(to), "text": text})
    return await _send(installation, actor, Wanted(SendKind.BULK, to, text), keyed)


async def bulk_send_multi(
    installation: Installation, actor: Actor, *, messages: Sequence[OutgoingText], key: str | None
) -> Send:
    """Accepts a text of its own for each number; the same number and text twice counts once."""
    given = [[message.to, message.text] for message in messages]
    keyed = key_by(actor, key, "bulkSendMulti", given)
    to = [message.to for message in messages]
    texts = [message.text for message in messages]
    return await _send(installation, actor, Wanted(SendKind.MULTI, to, texts=texts), keyed)


async def quote(installation: Installation, actor: Actor, *, to: Sequence[str], text: str) -> Quote:
    """What a bulkSend of this would do and cost, without doing it. Raises what it would raise."""
    payer = payer_of(actor)
    check_text(text, most_segments=installation.limits.segments)
    with installation.room.taken(len(to)):
        recipients = await _sort(installation, payer, Wanted(SendKind.BULK, to, text))
    _check_limits(installation, len(to), SendKind.BULK)
    cost = len(recipients.numbers) * payer.price
    balance = await installation.store.held(payer.account_id)
    return Quote(
        accepted=len(recipients.numbers),
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        encoding=encoding_of(text),
        segments=segments_of(text),
        costly_characters=costly_characters(text),
        cost=cost,
        balance=balance,
        affordable=balance >= cost,
    )


async def find_replayed(
    installation: Installation, actor: Actor, key: IdempotencyKey | None
) -> Send | None:
    """The send that was accepted under the key before. Raises the refusal that was kept there."""
    kept = await find_kept(installation.store, key)
    return None if kept is None else await _find(installation, actor, UUID(kept["send"]))


async def send_checked(
    installation: Installation,
    actor: Actor,
    payer: Payer,
    wanted: Wanted,
    key: IdempotencyKey | None,
) -> Send:
    """Accepts what is wanted, once its recipients, the limits and the balance allow it."""
    with installation.room.taken(len(wanted.to)):
        recipients = await _sort(installation, payer, wanted)
        if not recipients.numbers:
            raise NoValidRecipients(recipients.rejected)
        _check_limits(installation, len(wanted.to), wanted.kind)
        check_pace(installation, payer)
        try:
            asked = _new_send(actor, payer, wanted, recipients, key)
            return await _answer(installation, actor, await installation.acceptance.accept(asked))
        except OptedOut:
            raise NoValidRecipients(_opted_out(wanted.to)) from None


def check_pace(installation: Installation, payer: Payer) -> None:
    """Counts one request of the client's. Raises RateLimited where there were too many."""
    wait_seconds = installation.pace.wait_seconds(payer.client_id)
    if wait_seconds:
        raise RateLimited(wait_seconds)


def accepted(verdict: Verdict) -> UUID:
    """The send that was accepted, now or before under the same key. Raises the refusal."""
    match verdict:
        case Taken(asked):
            return asked.id
        case Replayed(send_id):
            return send_id
        case Refused(refusal):
            raise refusal


def key_by(actor: Actor, key: str | None, mutation: str, given: object) -> IdempotencyKey | None:
    """The actor's key for this input, None without one. Raises InvalidInput."""
    scope_id = actor.client_id or actor.user_id
    return key_of(scope_id, key, mutation, given)


async def _send(
    installation: Installation, actor: Actor, wanted: Wanted, key: IdempotencyKey | None
) -> Send:
    replayed = await find_replayed(installation, actor, key)
    if replayed is not None:
        return replayed
    payer = payer_of(actor)
    for each in [wanted.text] if wanted.texts is None else wanted.texts:
        check_text(each or "", most_segments=installation.limits.segments)
    return await send_checked(installation, actor, payer, wanted, key)


async def _sort(installation: Installation, payer: Payer, wanted: Wanted) -> Recipients:
    """The recipients of a request. Whether a single one opted out is found out with its charge."""
    to, texts = wanted.to, wanted.texts
    normalised = await _aside(len(to), partial(installation.normaliser.normalise_many, to))
    opted_out: set[str] = set()
    numbers = [] if wanted.kind is SendKind.SINGLE else list(filter(None, normalised))
    if numbers:
        opted_out = await installation.store.find_opted_out(payer.client_id, numbers)
    recipients = await _aside(
        len(to), partial(sort_normalised, to, normalised, texts=texts, opted_out=opted_out)
    )
    if wanted.lines is None:
        return recipients
    lines = wanted.lines
    rejected = [replace(each, position=lines[each.position]) for each in recipients.rejected]
    return replace(recipients, rejected=rejected)


async def _aside(size: int, work: Callable[[], Result]) -> Result:
    """What the work comes to; in a thread where there is much of it."""
    return work() if size < LARGE else await asyncio.to_thread(work)


def _opted_out(to: Sequence[str]) -> list[RejectedRecipient]:
    """The one recipient of a send that is refused for it, as it was given."""
    rejected = sort_normalised(to, to, opted_out=set(to)).rejected
    return list(rejected)


def _check_limits(installation: Installation, recipients: int, kind: SendKind) -> None:
    multi = kind is SendKind.MULTI
    most = installation.limits.recipients_multi if multi else installation.limits.recipients
    if recipients > most:
        raise TooManyRecipients(most)


def _new_send(
    actor: Actor,
    payer: Payer,
    wanted: Wanted,
    recipients: Recipients,
    key: IdempotencyKey | None,
) -> NewSend:
    texts = wanted.texts
    return NewSend(
        id=new_id(),
        payer=payer,
        actor_id=actor.user_id,
        kind=wanted.kind,
        numbers=recipients.numbers,
        text=wanted.text,
        texts=None if texts is None else [texts[each] for each in recipients.positions],
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        key=key,
    )


async def _answer(installation: Installation, actor: Actor, verdict: Verdict) -> Send:
    """The send as it stands now. Raises the refusal."""
    match verdict:
        case Taken(asked):
            return _just_queued(asked)
        case Replayed(send_id):
            return await _find(installation, actor, send_id)
        case Refused(refusal):
            raise refusal


async def _find(installation: Installation, actor: Actor, send_id: UUID) -> Send:
    if actor.client_id is None:
        raise NotFound("send")
    return await installation.store.find_send(OfClient(actor.client_id), send_id)


def _just_queued(asked: NewSend) -> Send:
    return Send(
        id=asked.id,
        client_id=asked.payer.client_id,
        kind=asked.kind,
        accepted=len(asked.numbers),
        price=asked.payer.price,
        value_usd=value_usd(asked.cost, asked.payer.rate_usd),
        rejected=asked.rejected,
        rejected_count=asked.rejected_count,
        counts={MessageStatus.QUEUED: len(asked.numbers)},
        created_at=datetime.now(UTC),
    )
