"""What each endpoint of the REST API does: one operation of the domain, and its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain import ids
from domain.errors import InvalidInput, InvalidText, NotFound
from domain.identity.access import Actor, OfClient, feed_scope, message_scope
from domain.ids import Kind
from domain.inbox.messages import InboundMessage
from domain.inbox.reports import REFUSED
from domain.installation import Installation, Store
from domain.ledger.balances import Balances, view_of
from domain.long_work import in_thread
from domain.sending import quotes
from domain.sending import send as sending
from domain.sending.accepted import accepted_messages, results_of
from domain.sending.messages import AcceptedMessage, MessageStatus, Send
from domain.sending.text import OutgoingText, Text
from domain.sending.used_keys import send_of_key
from ibiki.http.rest.errors import failure_of, rejected_of
from ibiki.http.rest.models import (
    BalanceAnswer,
    Bulk,
    BulkAnswer,
    Inbound,
    InboxAnswer,
    InboxQuery,
    ItemFailed,
    ItemQueued,
    MultiAnswer,
    QuoteAnswer,
    SendBulk,
    SendBulkMulti,
    SendBulkMultiQuery,
    SendItem,
    SendSingle,
    SettledAnswer,
    SettleKey,
    SingleAnswer,
    StatusAnswer,
    StatusWord,
)

WORDS: dict[MessageStatus, StatusWord] = {
    MessageStatus.QUEUED: "queued",
    MessageStatus.SUBMITTING: "queued",
    MessageStatus.SENT: "sent",
    MessageStatus.DELIVERED: "delivered",
    MessageStatus.UNDELIVERED: "undelivered",
    MessageStatus.REJECTED: "failed",
    MessageStatus.UNKNOWN: "unknown",
    MessageStatus.CANCELLED: "cancelled",
}

POSITION = "feed_"
"""The beginning of a `next` of the inbox: a number of the client's feed follows."""


@dataclass(frozen=True, slots=True)
class RestCall:
    """One request of an actor who may make it. `body` and `query` are checked by their models."""

    installation: Installation
    actor: Actor
    key: str | None
    body: Any
    query: Any
    path: Mapping[str, str]


async def accept_single(call: RestCall) -> tuple[Send, AcceptedMessage]:
    """The accepted send of a body with one recipient, and its message."""
    given: SendSingle = call.body
    send = await sending.send(
        call.installation,
        call.actor,
        to=given.recipient,
        text=given.text,
        key=call.key,
        send_at=given.send_at,
        ignore_quiet_hours=given.ignore_quiet_hours,
    )
    [message] = await accepted_messages(call.installation.store, send)
    return send, message


async def accept_bulk(
    call: RestCall, given: Bulk, text: Text
) -> tuple[Send, Sequence[AcceptedMessage]]:
    """The accepted send of a body with many recipients, and its messages."""
    send = await sending.bulk_send(
        call.installation,
        call.actor,
        to=given.recipients,
        text=text,
        key=call.key,
        send_at=given.send_at,
        ignore_quiet_hours=given.ignore_quiet_hours,
    )
    return send, await accepted_messages(call.installation.store, send)


async def send_single(call: RestCall) -> SingleAnswer:
    """Sends one text to one number."""
    send, message = await accept_single(call)
    return SingleAnswer(message_id=message_id_of(message), **held_fields(send))


async def send_bulk(call: RestCall) -> BulkAnswer:
    """Sends one text to many numbers."""
    given: SendBulk = call.body
    send, messages = await accept_bulk(call, given, given.text)
    return BulkAnswer(
        message_ids=[message_id_of(each) for each in messages],
        total_sent=send.accepted,
        rejected=rejected_of(send.rejected),
        rejected_count=send.rejected_count,
        **held_fields(send),
    )


async def send_bulk_multi(call: RestCall) -> MultiAnswer:
    """Sends its own text to each number."""
    given: SendBulkMulti = call.body
    items = [
        OutgoingText(each.recipient, _text_of(each, position))
        for position, each in enumerate(given.root)
    ]
    installation = call.installation
    query: SendBulkMultiQuery = call.query
    send = await sending.bulk_send_multi(
        installation,
        call.actor,
        messages=items,
        key=call.key,
        send_at=query.send_at,
        ignore_quiet_hours=query.ignore_quiet_hours,
    )
    messages = await accepted_messages(installation.store, send)

    def results() -> list[ItemQueued | ItemFailed]:
        found = results_of(installation.normaliser, items, send, messages)
        return [
            ItemQueued(recipient=item.to, message_id=message_id_of(each))
            if isinstance(each, AcceptedMessage)
            else ItemFailed(recipient=item.to, error=each.message, code=each.reason.value)
            for item, each in zip(items, found, strict=True)
        ]

    return MultiAnswer(
        results=await in_thread(results),
        total_sent=send.accepted,
        total_failed=send.rejected_count,
        **held_fields(send),
    )


async def quote(call: RestCall) -> QuoteAnswer:
    """What sendbulk would do and cost, without doing it."""
    given: SendBulk = call.body
    quoted = await quotes.quote(
        call.installation,
        call.actor,
        to=given.recipients,
        text=given.text,
        send_at=given.send_at,
        ignore_quiet_hours=given.ignore_quiet_hours,
    )
    return QuoteAnswer(
        accepted=quoted.accepted,
        rejected=rejected_of(quoted.rejected),
        rejected_count=quoted.rejected_count,
        encoding=quoted.encoding.name,
        segments=quoted.segments,
        costly_characters=list(quoted.costly_characters),
        cost=quoted.cost,
        balance=quoted.balance,
        affordable=quoted.affordable,
        held=quoted.held,
        held_until=quoted.held_until,
        problem=None
        if quoted.problem is None
        else failure_of(quoted.problem, text_name=given.text_name),
    )


async def settle(call: RestCall) -> SettledAnswer:
    """What was accepted with a key. If nothing was, the key can be used no more."""
    given: SettleKey = call.body
    send = await send_of_key(call.installation, call.actor, given.idempotency_key)
    if send is None:
        return SettledAnswer(accepted=False, results=[])
    messages = await accepted_messages(call.installation.store, send)
    accepted = [
        ItemQueued(recipient=each.number, message_id=message_id_of(each)) for each in messages
    ]
    rejected = [
        ItemFailed(recipient=each.input, error=each.message, code=each.reason.value)
        for each in send.rejected
    ]
    return SettledAnswer(accepted=True, results=[*accepted, *rejected])


async def message_status(call: RestCall) -> StatusAnswer:
    """The present status of a message."""
    message_id = ids.decode(Kind.MESSAGE, call.path["messageId"])
    scope = message_scope(call.actor)
    message = await call.installation.store.find_message(scope, message_id)
    delivered = message.status is MessageStatus.DELIVERED
    # In a minute it is refunded, or another report decides. Callers take "undelivered" as the end.
    waits = message.status is MessageStatus.UNDELIVERED and message.failure == REFUSED
    return StatusAnswer(
        message_id=ids.encode(Kind.MESSAGE, message.id),
        status="sent" if waits else WORDS[message.status],
        delivered_at=message.updated_at if delivered else None,
    )


async def balance(call: RestCall) -> BalanceAnswer:
    """What the account holds; for a user without one, what its group or the default pool holds."""
    units, unit = balance_in(await call.installation.store.read_balances(view_of(call.actor)))
    return BalanceAnswer(balance=units, currency="credits" if unit == "credit" else unit)


async def inbox(call: RestCall) -> InboxAnswer:
    """Inbound messages after the given one, in order, without gaps."""
    given: InboxQuery = call.query
    scope, store = feed_scope(call.actor), call.installation.store
    after = await _position_of(store, scope, given.after)
    found = await store.read_feed(scope, after=after, most=given.limit + 1)
    shown = found[: given.limit]
    last = shown[-1].feed if shown else after
    return InboxAnswer(
        messages=_shown(shown),
        next=f"{POSITION}{last}" if last else None,
        has_more=len(found) > given.limit,
    )


async def _position_of(store: Store, scope: OfClient, given: str | None) -> int:
    """The position in the feed that `after` names; 0 for the beginning. Raises NotFound."""
    if given is None:
        return 0
    number = given.removeprefix(POSITION)
    if number == given:
        return await store.feed_number(scope, ids.decode(Kind.MESSAGE, given))
    if not re.fullmatch(r"[1-9][0-9]{0,17}", number) or int(number) > await store.last_in_feed(
        scope
    ):
        raise NotFound("message")
    return int(number)


def balance_in(figures: Balances) -> tuple[int, str]:
    """The balance of a view and its unit: of its account, else of its group, else of its pool."""
    if figures.account is not None:
        return figures.account.balance, figures.account.unit
    if figures.group is not None:
        return figures.group.balance, figures.group.unit
    assert figures.platform is not None
    return figures.platform.pool, figures.platform.unit


def _text_of(item: SendItem, position: int) -> Text:
    """The text of an item. Raises InvalidInput with its position."""
    try:
        return item.text
    except (InvalidInput, InvalidText) as refusal:
        refusal.path = [str(position), *(refusal.path or ())]
        raise


def _shown(messages: Sequence[InboundMessage]) -> list[Inbound]:
    return [
        Inbound(
            message_id=ids.encode(Kind.MESSAGE, each.id),
            sender=each.number,
            message=each.text,
            received_at=each.created_at,
            mentions_opt_out=each.mentions_opt_out,
        )
        for each in messages
    ]


def message_id_of(message: AcceptedMessage) -> str:
    """The ID as answers show it."""
    return ids.encode(Kind.MESSAGE, message.id)


def held_fields(send: Send) -> dict[str, Any]:
    """What an answer says about messages that are held during quiet hours."""
    return {"held": send.held or None, "held_until": send.held_until}
