"""What each endpoint of the Twilio-compatible API does: one operation of the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.dispatch.cancel import cancel_message
from domain.errors import InvalidInput, InvalidText, NotFound, OutcomeUnknown, TryAgain
from domain.identity.access import Actor, OfClient, own_scope
from domain.ids import SidKind, find_sid
from domain.inbox import erasing
from domain.inbox.erasing import NotFinished
from domain.inbox.messages import AnyMessage
from domain.installation import Installation
from domain.ledger.balances import view_of
from domain.pages import Page, Window
from domain.sending import send as sending
from domain.sending.lists import MessageFilter
from domain.sending.messages import Direction, Line, Message, MessageStatus, Send, SingleOptions
from domain.sending.schedule import FIELD as SEND_AT
from domain.sending.text import segments_of
from ibiki.http.twilio import lists
from ibiki.http.twilio.errors import TwilioRefused, invalid
from ibiki.http.twilio.lists import token_after, token_before
from ibiki.http.twilio.message_forms import WRONG_TIME, MessageForm, read_message_form
from ibiki.http.twilio.resources import (
    OwnClient,
    Resource,
    account_resource,
    message_resource,
    page_resource,
)

UPDATES = frozenset({"Body", "Status"})
NO_MESSAGES: Page[AnyMessage] = Page([], has_next=False, has_previous=False)


@dataclass(frozen=True, slots=True)
class TwilioCall:
    """One request of an actor with an account. `own`: the client of that account.

    `auth_token`: of that client.
    """

    installation: Installation
    actor: Actor
    own: OwnClient
    path: str
    message_sid: str | None
    form: Mapping[str, str]
    query: Mapping[str, str]
    key: str | None
    auth_token: str

    @property
    def scope(self) -> OfClient:
        """The tenant whose messages the actor may read."""
        return own_scope(self.actor)

    @property
    def message_id(self) -> UUID:
        """The message in the path. Raises NotFound."""
        found = find_sid(SidKind.MESSAGE, self.message_sid or "")
        if found is None:
            raise NotFound("message")
        return found


async def list_accounts(call: TwilioCall) -> Resource:
    """The account of the credential."""
    given = {name: value for name, value in call.query.items() if value}
    page = lists.page_request_of(call.path, given, lists.ACCOUNT_FILTERS)
    account = account_resource(call.own, call.auth_token)
    matches = (
        page.number == 0
        and given.get("FriendlyName", account["friendly_name"]) == account["friendly_name"]
        and given.get("Status", account["status"]) == account["status"]
    )
    return page_resource(page, "accounts", [account] if matches else [])


async def fetch_account(call: TwilioCall) -> Resource:
    """The account of the credential."""
    return account_resource(call.own, call.auth_token)


async def fetch_balance(call: TwilioCall) -> Resource:
    """What the account holds."""
    figures = await call.installation.store.read_balances(view_of(call.actor))
    if figures.account is None:
        raise NotFound("account")
    unit = figures.account.unit
    return {
        "account_sid": call.own.sid,
        "balance": str(figures.account.balance),
        "currency": "credits" if unit == "credit" else unit,
    }


async def create_message(call: TwilioCall) -> Resource:
    """Sends one text to one number."""
    installation = call.installation
    given = read_message_form(installation.normaliser, installation.hooks.addresses, call.form)
    line = call.own.lines.get(given.sender or "")
    send = await _send(call, given, line)
    message = await _accepted(call, send)
    times = {} if send.accepted_as else await _sent_at(call, [message])
    return message_resource(call.own, message, times.get(message.id))


async def fetch_message(call: TwilioCall) -> Resource:
    """One message of either direction."""
    found = await call.installation.store.find_messages(call.scope, [call.message_id])
    if call.message_id not in found:
        raise NotFound("message")
    return await _shown(call, found[call.message_id])


async def list_messages(call: TwilioCall) -> Resource:
    """Messages of both directions, newest first."""
    wanted = lists.message_list(call.own, call.installation.normaliser, call.path, call.query)
    page = NO_MESSAGES
    if wanted.filter is not None:
        page = await _read(call, wanted.filter, wanted.window)
    # A page can be empty and still have a next one: no message precedes the newest one.
    first, last = (page.items[0], page.items[-1]) if page.items else (None, None)
    times = await _sent_at(call, page.items)
    return page_resource(
        wanted.page,
        "messages",
        [message_resource(call.own, each, times.get(each.id)) for each in page.items],
        following=token_after(last.id) if last and page.has_next else None,
        preceding=token_before(first.id) if first and page.has_previous else None,
    )


async def update_message(call: TwilioCall) -> Resource:
    """Cancels a message that is not submitted yet, or empties the stored text."""
    status, body = call.form.get("Status"), call.form.get("Body")
    if (status is None) == (body is None):
        raise invalid("Give Status=canceled to cancel the message, or Body= to empty its text.")
    if status not in (None, "canceled"):
        raise invalid("Status can only become canceled.")
    if body:
        raise invalid("Body can only be emptied: a text that was sent cannot be changed.")
    if status is not None:
        return await _cancel(call)
    try:
        erased = await erasing.redact(call.installation.store, call.actor, call.message_id)
    except NotFinished as early:
        raise TwilioRefused(409, 20009, str(early)) from None
    return await _shown(call, erased)


async def delete_message(call: TwilioCall) -> None:
    """Removes a message from the client's lists."""
    try:
        await erasing.delete(call.installation.store, call.actor, call.message_id)
    except NotFinished as early:
        raise TwilioRefused(409, 20009, str(early)) from None


async def _send(call: TwilioCall, given: MessageForm, line: Line | None) -> Send:
    installation = call.installation
    try:
        return await sending.send(
            installation,
            call.actor,
            to=given.to,
            text=given.text,
            key=call.key,
            send_at=given.send_at,
            single=SingleOptions(given.callback, given.valid_seconds, line),
        )
    except InvalidInput as refusal:
        if refusal.field != SEND_AT:
            raise
        raise invalid(str(refusal).replace(SEND_AT, "SendAt"), WRONG_TIME) from None
    except InvalidText as refusal:
        most = installation.limits.segments
        if segments_of(given.text) <= most:
            raise
        raise TwilioRefused(400, 21617, str(refusal)) from None


async def _accepted(call: TwilioCall, send: Send) -> Message:
    """The message of a send. Reads it if an earlier request with the same key was accepted."""
    new_send = send.accepted_as
    if new_send is None:
        try:
            pages = await call.installation.store.read_messages_of_sends(
                call.scope, [send.id], Window(size=1)
            )
        except TryAgain as failure:
            raise OutcomeUnknown(send_id=send.id) from failure
        if not pages[send.id].items:
            raise NotFound("message")
        return pages[send.id].items[0]
    [message_id], [number] = new_send.message_ids, new_send.numbers
    return Message(
        id=message_id,
        send_id=send.id,
        client_id=send.client_id,
        number=number,
        text=new_send.text or "",
        status=MessageStatus.QUEUED,
        failure=None,
        is_reply=False,
        created_at=send.created_at,
        updated_at=send.created_at,
        modem=new_send.line.modem if new_send.line else None,
        port=new_send.line.port if new_send.line else None,
        send_at=next(iter(new_send.held_until), None) or new_send.send_at,
    )


async def _cancel(call: TwilioCall) -> Resource:
    message = await cancel_message(call.installation.store, call.actor, call.message_id)
    if message.status is not MessageStatus.CANCELLED:
        raise TwilioRefused(409, 30409, "This message has been submitted and cannot be canceled.")
    return message_resource(call.own, message, None)


async def _read(call: TwilioCall, filter: MessageFilter, window: Window[UUID]) -> Page[AnyMessage]:
    store = call.installation.store
    if filter.direction is Direction.OUTBOUND:
        page = await store.read_messages(call.scope, window, filter=filter)
        return Page(page.items, page.has_next, page.has_previous)
    return await store.read_any_messages(call.scope, window, filter=filter)


async def _shown(call: TwilioCall, message: AnyMessage) -> Resource:
    times = await _sent_at(call, [message])
    return message_resource(call.own, message, times.get(message.id))


async def _sent_at(call: TwilioCall, messages: Sequence[AnyMessage]) -> Mapping[UUID, datetime]:
    return await call.installation.store.read_submitted_at(
        call.scope, [each.id for each in messages if each.direction is Direction.OUTBOUND]
    )
