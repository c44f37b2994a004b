"""Quotes: what a send would do and cost, and the refusal that it would get, without doing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

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


HeldMessages: TypeAlias = tuple[int, datetime | None]
"""How many messages would be held during quiet hours, and until when the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedSend:
    """What any send would do and cost. `problem`: why it would be refused, None if it would not.

    `held`: how many messages would be held during quiet hours, the last one until `held_until`.
    """

    accepted: int
    rejected: Sequence[RejectedRecipient]
    rejected_count: int
    cost: int
    balance: int
    problem: Refusal | None
    held: int
    held_until: datetime | None

    @property
    def affordable(self) -> bool:
        """Whether the balance covers the cost."""
        return self.balance >= self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote(PricedSend):
    """What a send of one text would do and cost."""

    encoding: Encoding
    segments: int
    costly_characters: Sequence[str]


AnyQuote = TypeVar("AnyQuote", bound=PricedSend)


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
    # The beginning of a text that is much too long is enough to show that.
    written = request.text or (text if isinstance(text, str) else "")
    shown = written[: Encoding.GSM7.capacity(installation.limits.segments) + 1]
    unpriced = partial(
        Quote,
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        encoding=encoding_of(shown),
        segments=segments_of(shown),
        costly_characters=costly_characters(shown),
    )
    accepted = len(recipients.numbers)
    return await priced(unpriced, installation, actor, payer, accepted, check, problem)


async def priced(
    unpriced: Callable[..., AnyQuote],
    installation: Installation,
    actor: Actor,
    payer: Payer,
    accepted: int,
    check: Callable[[], Awaitable[HeldMessages]],
    problem: Refusal | None,
) -> AnyQuote:
    """A quote for this many messages, with the first problem in the order in which a send is
    checked.

    `unpriced`: makes the quote of its price. `check`: raises what a send would raise between its
    text and its balance. `problem`: what was found before. If the balance was never read, it is
    read, as for a send.
    """
    held: HeldMessages = (0, None)
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
    return unpriced(
        accepted=accepted,
        cost=cost,
        balance=balance,
        problem=problem,
        held=held[0],
        held_until=held[1],
    )


async def check_recipients(
    installation: Installation, payer: Payer, request: SendRequest, recipients: Recipients
) -> HeldMessages:
    """The checks of a send for `priced`."""
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
