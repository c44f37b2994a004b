"""Sending, as a client asks for it: the checks in their order, then one charge for what is valid.

In this order, for send, bulkSend and bulkSendMulti alike: the idempotency key, the account's
status, the text, the recipients, the limits, the balance. The whole request or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from domain.accepting.accept import Refused, Replayed, Taken, Verdict
from domain.accepting.recipients import Recipients, sort_normalised
from domain.accepting.text import Encoding, check_text, costly_characters, encoding_of, segments_of
from domain.access import Actor, OfClient, payer_of
from domain.errors import (
    NotFound,
    NoValidRecipients,
    OptedOut,
    RateLimited,
    TooManyRecipients,
)
from domain.house import House
from domain.ids import new_id
from domain.ledger.idempotency import find_kept, key_of
from domain.ledger.valuation import value_usd
from domain.rejections import RejectedRecipient
from domain.sending import IdempotencyKey, MessageStatus, NewSend, Payer, Send, SendKind

Result = TypeVar("Result")

MANY = 1_000
"""Recipients from which a list is sorted in a thread, so that others are answered meanwhile."""


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """A text of its own for one recipient."""

    to: str
    text: str


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


async def send(house: House, actor: Actor, *, to: str, text: str, key: str | None) -> Send:
    """Accepts one message to one number."""
    keyed = _key(actor, key, "send", {"to": to, "text": text})
    return await _send(house, actor, SendKind.SINGLE, [to], text=text, key=keyed)


async def bulk_send(
    house: House, actor: Actor, *, to: Sequence[str], text: str, key: str | None
) -> Send:
    """Accepts one text to many numbers; a number that stands twice counts once."""
    keyed = _key(actor, key, "bulkSend", {"to": list(to), "text": text})
    return await _send(house, actor, SendKind.BULK, to, text=text, key=keyed)


async def bulk_send_multi(
    house: House, actor: Actor, *, messages: Sequence[OutgoingText], key: str | None
) -> Send:
    """Accepts a text of its own for each number; the same number and text twice counts once."""
    given = [[message.to, message.text] for message in messages]
    keyed = _key(actor, key, "bulkSendMulti", given)
    to = [message.to for message in messages]
    texts = [message.text for message in messages]
    return await _send(house, actor, SendKind.MULTI, to, texts=texts, key=keyed)


async def quote(house: House, actor: Actor, *, to: Sequence[str], text: str) -> Quote:
    """What a bulkSend of this would do and cost, without doing it. Raises what it would raise."""
    payer = payer_of(actor)
    check_text(text, most_segments=house.limits.segments)
    recipients = await _sort(house, payer, SendKind.BULK, to, None)
    _check_limits(house, len(to), SendKind.BULK)
    cost = len(recipients.numbers) * payer.price
    balance = await house.store.held(payer.account_id)
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


async def _send(
    house: House,
    actor: Actor,
    kind: SendKind,
    to: Sequence[str],
    *,
    text: str | None = None,
    texts: Sequence[str] | None = None,
    key: IdempotencyKey | None,
) -> Send:
    kept = await find_kept(house.store, key)
    if kept is not None:
        return await _find(house, actor, UUID(kept["send"]))
    payer = payer_of(actor)
    for each in [text] if texts is None else texts:
        check_text(each or "", most_segments=house.limits.segments)
    recipients = await _sort(house, payer, kind, to, texts)
    if not recipients.numbers:
        raise NoValidRecipients(recipients.rejected)
    _check_limits(house, len(to), kind)
    check_pace(house, payer)
    own_texts = None if texts is None else [texts[each] for each in recipients.positions]
    asked = _new_send(actor, payer, kind, recipients, text=text, texts=own_texts, key=key)
    try:
        return await _answer(house, actor, await house.acceptance.accept(asked))
    except OptedOut:
        raise NoValidRecipients(_opted_out(to)) from None


def check_pace(house: House, payer: Payer) -> None:
    """Counts one request of the client's. Raises RateLimited where there were too many."""
    wait_seconds = house.pace.wait_seconds(payer.client_id)
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


def _key(actor: Actor, key: str | None, mutation: str, given: object) -> IdempotencyKey | None:
    scope_id = actor.client_id or actor.user_id
    return key_of(scope_id, key, mutation, given)


async def _sort(
    house: House,
    payer: Payer,
    kind: SendKind,
    to: Sequence[str],
    texts: Sequence[str] | None,
) -> Recipients:
    """The recipients of a request. Whether a single one opted out is found out with its charge."""
    normalised = await _aside(len(to), partial(house.normaliser.normalise_many, to))
    opted_out: set[str] = set()
    numbers = [] if kind is SendKind.SINGLE else list(filter(None, normalised))
    if numbers:
        opted_out = await house.store.find_opted_out(payer.client_id, numbers)
    return await _aside(
        len(to), partial(sort_normalised, to, normalised, texts=texts, opted_out=opted_out)
    )


async def _aside(size: int, work: Callable[[], Result]) -> Result:
    """What the work comes to; in a thread where there is much of it."""
    return work() if size < MANY else await asyncio.to_thread(work)


def _opted_out(to: Sequence[str]) -> list[RejectedRecipient]:
    """The one recipient of a send that is refused for it, as it was given."""
    rejected = sort_normalised(to, to, opted_out=set(to)).rejected
    return list(rejected)


def _check_limits(house: House, recipients: int, kind: SendKind) -> None:
    multi = kind is SendKind.MULTI
    most = house.limits.recipients_multi if multi else house.limits.recipients
    if recipients > most:
        raise TooManyRecipients(most)


def _new_send(
    actor: Actor,
    payer: Payer,
    kind: SendKind,
    recipients: Recipients,
    *,
    text: str | None,
    texts: Sequence[str] | None,
    key: IdempotencyKey | None,
) -> NewSend:
    return NewSend(
        id=new_id(),
        payer=payer,
        actor_id=actor.user_id,
        kind=kind,
        numbers=recipients.numbers,
        text=text,
        texts=texts,
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        key=key,
    )


async def _answer(house: House, actor: Actor, verdict: Verdict) -> Send:
    """The send as it stands now. Raises the refusal."""
    match verdict:
        case Taken(asked):
            return _just_queued(asked)
        case Replayed(send_id):
            return await _find(house, actor, send_id)
        case Refused(refusal):
            raise refusal


async def _find(house: House, actor: Actor, send_id: UUID) -> Send:
    if actor.client_id is None:
        raise NotFound("send")
    return await house.store.find_send(OfClient(actor.client_id), send_id)


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
