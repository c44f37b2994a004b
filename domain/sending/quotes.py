"""Quotes: what a send would do and cost, and the refusal that it would get, without doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.errors import (
    InsufficientBalance,
    InvalidInput,
    NoValidRecipients,
    ProviderUnavailable,
    Refusal,
    TooManyRecipients,
)
from domain.identity.access import Actor, Payer, payer_of
from domain.rejections import RejectedRecipient
from domain.sending.messages import SendKind
from domain.sending.recipients import Recipients
from domain.sending.schedule import AT_ONCE, Schedule
from domain.sending.send import (
    SendRequest,
    check_limits,
    find_recipients,
    find_schedule,
    read_balance_once,
    with_texts,
)
from domain.sending.templates import Text
from domain.sending.text import Encoding, costly_characters, encoding_of, segments_of

if TYPE_CHECKING:
    from domain.installation import Installation


@dataclass(frozen=True, slots=True)
class Quote:
    """What a send would do and cost. `problem`: why it would be refused, None if it would not.

    `held`: how many messages would be held during quiet hours, the last one until `held_until`.
    """

    accepted: int
    rejected: Sequence[RejectedRecipient]
    rejected_count: int
    encoding: Encoding
    segments: int
    costly_characters: Sequence[str]
    cost: int
    balance: int
    affordable: bool
    problem: Refusal | None
    held: int = 0
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """The cost of a send, the balance that it would be charged to, and when it is due."""

    cost: int
    balance: int
    problem: Refusal | None
    schedule: Schedule = AT_ONCE


async def quote(
    installation: Installation,
    actor: Actor,
    *,
    to: Sequence[str],
    text: Text,
    send_at: datetime | None = None,
    ignore_quiet_hours: bool = False,
) -> Quote:
    """What a bulkSend with this input would do and cost, without doing it."""
    payer, problem = payer_or_problem(actor)
    request = SendRequest(SendKind.BULK, to, send_at=send_at, ignore_quiet_hours=ignore_quiet_hours)
    try:
        request = await with_texts(installation, payer, request, [text])
    except Refusal as refusal:
        problem = problem or refusal
    recipients = await find_recipients(installation, payer, request)
    price = await price_of(installation, actor, payer, request, recipients, problem)
    # The beginning of a text that is much too long is enough to show that.
    written = request.text or (text if isinstance(text, str) else "")
    shown = written[: Encoding.GSM7.capacity(installation.limits.segments) + 1]
    return Quote(
        accepted=len(recipients.numbers),
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        encoding=encoding_of(shown),
        segments=segments_of(shown),
        costly_characters=costly_characters(shown),
        cost=price.cost,
        balance=price.balance,
        affordable=price.balance >= price.cost,
        problem=price.problem,
        held=price.schedule.held,
        held_until=price.schedule.last_held_until,
    )


async def price_of(
    installation: Installation,
    actor: Actor,
    payer: Payer,
    request: SendRequest,
    recipients: Recipients,
    problem: Refusal | None,
) -> Price:
    """The price of a request, and the first problem in the order in which a send is checked.

    `problem`: what was found before. If the balance was never read, it is read, as for a send.
    """
    schedule = AT_ONCE
    try:
        if problem is None:
            schedule = await _check(installation, actor, payer, request, recipients)
    except (NoValidRecipients, TooManyRecipients, InvalidInput, ProviderUnavailable) as refusal:
        problem = refusal
    cost = len(recipients.numbers) * payer.price
    balance = await installation.store.held(payer.account_id)
    if problem is None and balance < cost:
        available = max(balance, 0)
        problem = InsufficientBalance(required=cost, available=available, unit=payer.unit)
    return Price(cost, balance, problem, schedule)


def payer_or_problem(actor: Actor) -> tuple[Payer, Refusal | None]:
    """Who would pay, and why it cannot send. Raises Forbidden without an account."""
    try:
        return payer_of(actor), None
    except Refusal as refusal:
        if actor.payer is None:
            raise
        return actor.payer, refusal


async def _check(
    installation: Installation,
    actor: Actor,
    payer: Payer,
    request: SendRequest,
    recipients: Recipients,
) -> Schedule:
    """The checks of a send between the text and the balance. Raises what a send would raise."""
    if not recipients.numbers:
        raise NoValidRecipients(recipients.rejected)
    check_limits(installation, len(request.to), request.kind)
    schedule = await find_schedule(installation, payer, request, recipients.numbers)
    if payer.is_unread:
        await read_balance_once(installation, payer, actor.user_id)
    return schedule
