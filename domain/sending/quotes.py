"""Quotes: what a send would do and cost, and the refusal that it would get, without doing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from domain.errors import (
    InsufficientBalance,
    InvalidInput,
    NoValidRecipients,
    ProviderUnavailable,
    Refusal,
    RejectedRecipient,
    TooManyRecipients,
)
from domain.identity.access import Actor, Payer, payer_of
from domain.sending.messages import SendKind
from domain.sending.recipients import Recipients
from domain.sending.send import (
    SendRequest,
    check_limits,
    find_recipients,
    find_schedule,
    read_balance_once,
    read_texts,
)
from domain.sending.text import Encoding, Text, costly_characters, encoding_of, segments_of

if TYPE_CHECKING:
    from domain.installation import Installation


Held: TypeAlias = tuple[int, datetime | None]
"""How many messages would be held during quiet hours, and until when the last one."""


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
    """The cost of a send, the balance that it would be charged to, and what would be held."""

    cost: int
    balance: int
    problem: Refusal | None
    held: int = 0
    held_until: datetime | None = None


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
        await read_texts(installation, payer, request, [text])
    except Refusal as refusal:
        problem = problem or refusal.with_traceback(None)  # else it would hold this frame
    recipients = await find_recipients(installation, payer, request)
    check = partial(check_recipients, installation, payer, request, recipients)
    price = await price_of(installation, actor, payer, len(recipients.numbers), check, problem)
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
        held=price.held,
        held_until=price.held_until,
    )


async def price_of(
    installation: Installation,
    actor: Actor,
    payer: Payer,
    accepted: int,
    check: Callable[[], Awaitable[Held]],
    problem: Refusal | None,
) -> Price:
    """The price of so many messages, and the first problem in the order in which a send is checked.

    `check`: raises what a send would raise between its text and its balance. `problem`: what was
    found before. If the balance was never read, it is read, as for a send.
    """
    held: Held = (0, None)
    try:
        if problem is None:
            held = await check()
            if payer.is_unread:
                await read_balance_once(installation, payer, actor.user_id)
    except (NoValidRecipients, TooManyRecipients, InvalidInput, ProviderUnavailable) as refusal:
        problem = refusal.with_traceback(None)
    cost = accepted * payer.price
    balance = await installation.store.held(payer.account_id)
    if problem is None and balance < cost:
        available = max(balance, 0)
        problem = InsufficientBalance(required=cost, available=available, unit=payer.unit)
    return Price(cost, balance, problem, *held)


async def check_recipients(
    installation: Installation, payer: Payer, request: SendRequest, recipients: Recipients
) -> Held:
    """The checks of a send for `price_of`."""
    if not recipients.numbers:
        raise NoValidRecipients(recipients.rejected)
    check_limits(installation, len(request.to), request.kind)
    schedule = await find_schedule(installation, payer, request, recipients.numbers)
    return schedule.held, schedule.last_held_until


def payer_or_problem(actor: Actor) -> tuple[Payer, Refusal | None]:
    """Who would pay, and why it cannot send. Raises Forbidden without an account."""
    try:
        return payer_of(actor), None
    except Refusal as refusal:
        if actor.payer is None:
            raise
        return actor.payer, refusal
