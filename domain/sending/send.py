"""Sending: send, bulkSend and bulkSendMulti check a request and charge it once.

The order of the checks: the account's status, the text, the recipients, the limits, the balance.
A stored success of the idempotency key precedes all of them. A request is accepted for all of
its valid recipients, or not at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from domain.errors import (
    InvalidText,
    NotFound,
    NoValidRecipients,
    OptedOut,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    TooManyRecipients,
    TryAgain,
)
from domain.identity.access import Actor, OfClient, Payer, payer_of
from domain.ids import new_send_id
from domain.ledger.balances import value_usd
from domain.ledger.idempotency import IdempotencyKey, key_of, stored_before
from domain.ledger.sync import sync
from domain.long_work import in_thread
from domain.sending.accept import AcceptedBefore, AcceptedNow, Refused
from domain.sending.messages import (
    NO_OPTIONS,
    MessageStatus,
    NewSend,
    Send,
    SendKind,
    SingleOptions,
)
from domain.sending.recipients import (
    LARGE_LIST,
    ProviderRoute,
    Recipients,
    Reservation,
    sort_normalised,
)
from domain.sending.schedule import AT_ONCE, Schedule, schedule_of
from domain.sending.text import TEMPLATE_FIELD, OutgoingText, Text, as_given, check_text, fill_in

if TYPE_CHECKING:
    from domain.installation import Installation

Result = TypeVar("Result")


@dataclass(slots=True)
class SendRequest:
    """A request to send, as it was given. `read_texts` fills in its texts.

    `texts`: one for each recipient; None if all share `text`. `lines`: the line of each recipient
    in the file that it is from. `missing`: what is missing for a recipient, by its position.
    `normalised`: E.164 of each, None for an invalid one, if they are known already.
    `send_at`: when to send; None for now. `ignore_quiet_hours`: whether quiet hours do not matter.
    `single`: of a single message.
    """

    kind: SendKind
    to: Sequence[str]
    text: str | None = None
    texts: Sequence[str] | None = None
    lines: Sequence[int] | None = None
    missing: Mapping[int, str] = field(default_factory=dict)
    normalised: Sequence[str | None] | None = None
    send_at: datetime | None = None
    ignore_quiet_hours: bool = False
    single: SingleOptions = NO_OPTIONS


async def send(
    installation: Installation,
    actor: Actor,
    *,
    to: str,
    text: Text,
    key: str | None,
    send_at: datetime | None = None,
    ignore_quiet_hours: bool = False,
    single: SingleOptions = NO_OPTIONS,
) -> Send:
    """Accepts one message to one number. `send_at`: with a time zone; None for now.

    `ignore_quiet_hours`: send it also in quiet hours. `single`: the URL of a callback must have
    been checked.
    """
    keyed = None
    if key is not None:
        options = options_of(send_at, ignore_quiet_hours=ignore_quiet_hours) | single.as_given()
        keyed = key_by(actor, key, "send", {"to": to, "text": as_given(text)} | options)
    request = SendRequest(
        SendKind.SINGLE,
        [to],
        send_at=send_at,
        ignore_quiet_hours=ignore_quiet_hours,
        single=single,
    )
    return await accept_request(installation, actor, request, [text], keyed)


async def bulk_send(
    installation: Installation,
    actor: Actor,
    *,
    to: Sequence[str],
    text: Text,
    key: str | None,
    send_at: datetime | None = None,
    ignore_quiet_hours: bool = False,
) -> Send:
    """Accepts one text to many numbers. A number that occurs twice counts once."""
    options = options_of(send_at, ignore_quiet_hours=ignore_quiet_hours)
    given = {"to": list(to), "text": as_given(text)} | options
    keyed = await _in_thread(len(to), key_by, actor, key, "bulkSend", given)
    request = SendRequest(SendKind.BULK, to, send_at=send_at, ignore_quiet_hours=ignore_quiet_hours)
    return await accept_request(installation, actor, request, [text], keyed)


async def bulk_send_multi(
    installation: Installation,
    actor: Actor,
    *,
    messages: Sequence[OutgoingText],
    key: str | None,
    send_at: datetime | None = None,
    ignore_quiet_hours: bool = False,
) -> Send:
    """Accepts a text for each number. The same number and text twice counts once."""
    given: object = [[message.to, as_given(message.text)] for message in messages]
    if options := options_of(send_at, ignore_quiet_hours=ignore_quiet_hours):
        given = {"messages": given} | options
    keyed = await _in_thread(len(messages), key_by, actor, key, "bulkSendMulti", given)
    to = [message.to for message in messages]
    texts = [message.text for message in messages]
    request = SendRequest(
        SendKind.MULTI, to, send_at=send_at, ignore_quiet_hours=ignore_quiet_hours
    )
    return await accept_request(installation, actor, request, texts, keyed)


async def find_recipients(
    installation: Installation, payer: Payer, request: SendRequest
) -> Recipients:
    """The recipients that a send would accept and reject."""
    with installation.recipient_memory.reserve(len(request.to)):
        return await _recipients(installation, payer, request)


async def accept_request(
    installation: Installation,
    actor: Actor,
    request: SendRequest,
    texts: Sequence[Text],
    key: IdempotencyKey | None,
) -> Send:
    """Accepts a request with these texts, after all checks."""

    async def check(payer: Payer, memory: Reservation) -> NewSend:
        await read_texts(installation, payer, request, texts)
        return await check_request(installation, actor, payer, request, key, memory)

    try:
        return await accept_checked(installation, actor, key, check)
    except OptedOut:
        to = request.to
        rejected = sort_normalised(to, to, opted_out=set(to)).rejected
        raise NoValidRecipients(rejected) from None


async def accept_checked(
    installation: Installation,
    actor: Actor,
    key: IdempotencyKey | None,
    check: Callable[[Payer, Reservation], Awaitable[NewSend]],
) -> Send:
    """Accepts the send that `check` returns. What `check` reserves is free again at the end.

    If `check` refuses it, the success that its key has stored is the answer, if there is one.
    """
    with installation.recipient_memory.reserve() as memory:
        try:
            new_send = await check(payer_of(actor), memory)
        except Refusal:
            answer = await stored_before(installation.store, key)
            if answer is None:
                raise
            return await find_accepted(installation, actor, UUID(answer["send"]))
        accepted = await accept(installation, new_send)
    if isinstance(accepted, AcceptedBefore):
        return await find_accepted(installation, actor, accepted.send_id)
    return _just_queued(accepted)


async def accept(installation: Installation, new_send: NewSend) -> AcceptedNow | AcceptedBefore:
    """Charges and queues the send. Raises the refusal if it is not accepted.

    If the balance of the client's own provider account was never read, it is read first.
    """
    if new_send.payer.is_unread:
        await read_balance_once(installation, new_send.payer, new_send.actor_id)
    result = await installation.acceptor.accept(new_send)
    if isinstance(result, Refused):
        try:
            raise result.refusal
        finally:
            del result  # in a frame of its traceback, it would hold itself and the whole send
    return result


async def read_balance_once(
    installation: Installation, payer: Payer, actor_id: UUID | None
) -> None:
    """Reads the balance of the payer's own provider account, unless that was done meanwhile.

    Raises ProviderUnavailable.
    """
    store = installation.store
    account = await store.find_provider_account(payer.provider_account_id)
    if account.is_unread:
        provider = await installation.providers.of(account.id)
        await sync(store, provider, account, actor_id=actor_id, rules=installation.sync_rules)


async def find_accepted(installation: Installation, actor: Actor, send_id: UUID) -> Send:
    """A send that was accepted before, with its present counts."""
    if actor.client_id is None:
        raise NotFound("send")
    try:
        return await installation.store.find_send(OfClient(actor.client_id), send_id)
    except TryAgain as failure:
        raise OutcomeUnknown(send_id=send_id) from failure


def _just_queued(accepted: AcceptedNow) -> Send:
    new_send = accepted.send
    return Send(
        id=new_send.id,
        client_id=new_send.payer.client_id,
        kind=new_send.kind,
        accepted=new_send.accepted,
        price=new_send.payer.price,
        value_usd=value_usd(new_send.cost, new_send.payer.rate_usd),
        rejected=new_send.rejected,
        rejected_count=new_send.rejected_count,
        counts={MessageStatus.QUEUED: new_send.accepted},
        created_at=accepted.created_at,
        send_at=new_send.send_at,
        held=new_send.held,
        held_until=new_send.last_held_until,
        accepted_as=new_send,
    )


def check_rate(installation: Installation, client_id: UUID) -> None:
    """Counts one request of the client. Raises RateLimited if there were too many."""
    wait_seconds = installation.rate_limiter.wait_seconds(client_id)
    if wait_seconds:
        raise RateLimited(wait_seconds)


def key_by(actor: Actor, key: str | None, mutation: str, given: object) -> IdempotencyKey | None:
    """The actor's key for this input, None without one. Raises InvalidInput."""
    return key_of(actor.client_id or actor.user_id, key, mutation, given)


def options_of(send_at: datetime | None, *, ignore_quiet_hours: bool) -> dict[str, object]:
    """The options that a key is compared by. Empty without any, as in keys of earlier releases."""
    options: dict[str, object] = {}
    if send_at is not None:
        options["sendAt"] = send_at.astimezone(UTC).isoformat()
    if ignore_quiet_hours:
        options["ignoreQuietHours"] = True
    return options


async def find_schedule(
    installation: Installation, payer: Payer, request: SendRequest, numbers: Sequence[str]
) -> Schedule:
    """When the messages of a request to these numbers are due. Raises InvalidInput."""
    quiet = None if request.ignore_quiet_hours else payer.quiet_hours
    if request.send_at is None and quiet is None:
        return AT_ONCE
    now = datetime.fromtimestamp(await installation.store.read_clock(), UTC)
    return await _in_thread(len(numbers), schedule_of, numbers, request.send_at, quiet, now)


async def read_texts(
    installation: Installation, payer: Payer, request: SendRequest, texts: Sequence[Text]
) -> None:
    """Gives the request its texts: one for each recipient (MULTI), or one for all.

    Raises InvalidText, and NotFound for a template that the client does not have.
    """
    complete, missing = await fill_in(installation.store, OfClient(payer.client_id), texts)
    if request.kind is SendKind.MULTI:
        request.texts, request.missing = complete, missing
    elif missing:
        raise InvalidText(missing[0], path=("input", TEMPLATE_FIELD))
    else:
        request.text = complete[0]
    _check_texts(request, most_segments=installation.limits.segments)


def _check_texts(request: SendRequest, *, most_segments: int) -> None:
    """Raises InvalidText, with the position of the text if each recipient has its own."""
    if request.texts is None:
        check_text(request.text or "", most_segments=most_segments)
        return
    for position, text in enumerate(request.texts):
        if position in request.missing:
            continue  # this recipient is rejected, and the others are sent to
        try:
            check_text(text, most_segments=most_segments)
        except InvalidText as refused:
            refused.path = ["input", "messages", str(position), "text"]
            raise


async def check_request(
    installation: Installation,
    actor: Actor,
    payer: Payer,
    request: SendRequest,
    key: IdempotencyKey | None,
    memory: Reservation,
) -> NewSend:
    """The send that is to be charged. Memory for its recipients is reserved until the end."""
    memory.add(len(request.to))
    recipients = await _recipients(installation, payer, request)
    if not recipients.numbers:
        raise NoValidRecipients(recipients.rejected)
    check_limits(installation, len(request.to), request.kind)
    check_rate(installation, payer.client_id)
    schedule = await find_schedule(installation, payer, request, recipients.numbers)
    texts, numbers, single = request.texts, recipients.numbers, request.single
    routes: Sequence[ProviderRoute | None] = ()
    if single.line is None:  # a line belongs to the client's own provider account
        choose = installation.routes.table.choose
        routes = await _in_thread(len(numbers), choose, payer.provider_account_id, numbers)
    return NewSend(
        id=new_send_id(),
        payer=payer,
        actor_id=actor.user_id,
        kind=request.kind,
        numbers=numbers,
        text=request.text,
        texts=None if texts is None else [texts[each] for each in recipients.positions],
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        key=key,
        send_at=schedule.send_at,
        held_until=schedule.held_until,
        callback=single.callback,
        valid_seconds=single.valid_seconds,
        line=single.line,
        routes=routes,
        quiet_hours=schedule.quiet_hours,
    )


async def _recipients(installation: Installation, payer: Payer, request: SendRequest) -> Recipients:
    """The recipients of a request. A single number is checked for an opt-out when it is charged."""
    to, normalised = request.to, request.normalised
    if normalised is None:
        normalised = await _in_thread(len(to), installation.normaliser.normalise_many, to)
    opted_out: set[str] = set()
    numbers = [] if request.kind is SendKind.SINGLE else list(filter(None, normalised))
    if numbers:
        opted_out = await installation.store.find_opted_out(payer.client_id, numbers)
    given = (to, normalised, request.texts, opted_out, request.missing)
    recipients = await _in_thread(len(to), sort_normalised, *given)
    if request.lines is None:
        return recipients
    lines = request.lines
    rejected = [replace(each, position=lines[each.position]) for each in recipients.rejected]
    return replace(recipients, rejected=rejected)


async def _in_thread(size: int, work: Callable[..., Result], *given: Any) -> Result:
    """The result of the work, done in a thread if the list is large."""
    return work(*given) if size < LARGE_LIST else await in_thread(partial(work, *given))


def check_limits(installation: Installation, recipients: int, kind: SendKind) -> None:
    """Raises TooManyRecipients if the list is over the limit of its kind."""
    multi = kind is SendKind.MULTI
    most = installation.limits.recipients_multi if multi else installation.limits.recipients
    if recipients > most:
        raise TooManyRecipients(most)
