"""Routes that the operator sets, and inbound messages that the operator assigns to a client."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.errors import InvalidInput
from domain.identity.access import Everything
from domain.identity.clients import existing_client
from domain.identity.directory import assigned_numbers_of
from domain.inbox.inbound import Receiver, deliver, routed, with_own_line
from domain.inbox.messages import ModemRoute, OptOut, OptOutSource
from domain.inbox.ports import AssigningStore, RoutingAdmin
from domain.inbox.senders import Sender, read_sender
from domain.inbox.webhooks import (
    DeliveryReport,
    DueEvent,
    ReceivedMessage,
    WebhookEvent,
    WebhookOutcome,
)
from domain.numbers import Normaliser
from domain.sending.messages import Line
from domain.transactions import Transaction, changing

ASSIGNED = "Assigned by hand."
LONGEST_NAME = 128
LONGEST_TEXT = 5_000
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
ASSIGNABLE = (WebhookOutcome.UNROUTED, WebhookOutcome.DUPLICATE, WebhookOutcome.INVALID)


@dataclass(frozen=True, slots=True)
class ByHand:
    """What the operator adds if the event could not be read."""

    sender: str | None = None
    text: str | None = None


NOTHING_BY_HAND = ByHand()


async def set_modem_route(
    store: RoutingAdmin,
    normaliser: Normaliser,
    client_id: UUID,
    line: Line,
    numbers: Sequence[str] | None,
) -> ModemRoute:
    """Assigns the line to the client. `numbers`: replaces those of the route, None keeps them.

    Raises NotFound, and InvalidInput if the line or a number belongs to another client.
    """
    for field, name in (("modem", line.modem), ("port", line.port)):
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise InvalidInput(f"Write the {field} exactly as webhook events do.", field=field)
    checked = None if numbers is None else assigned_numbers_of(numbers, normaliser)
    async with changing(store) as tx:
        await store.lock_identities(tx)
        await existing_client(store, tx, client_id)
        return await store.write_modem_route(tx, client_id, line, checked)


async def delete_modem_route(store: RoutingAdmin, route_id: UUID) -> ModemRoute:
    """Deletes the route with its numbers, and returns it. Raises NotFound."""
    async with changing(store) as tx:
        await store.lock_identities(tx)
        return await store.drop_modem_route(tx, route_id)


async def assign_inbound(
    store: AssigningStore,
    receiver: Receiver,
    event_id: UUID,
    client_id: UUID,
    *,
    remember: bool,
    by_hand: ByHand = NOTHING_BY_HAND,
    opt_out_all: bool = False,
) -> WebhookEvent:
    """Assigns the message of an event to a client: everything that receiving it does.

    `remember`: also assigns its line to the client. A pending opt-out ends for all other clients,
    or opts the number out for each of them if `opt_out_all`. Safe to repeat. Raises NotFound, and
    InvalidInput if the event cannot be assigned.
    """
    async with changing(store) as tx:
        await store.lock_identities(tx)
        await existing_client(store, tx, client_id)
        locked = await store.lock_event(tx, event_id)
        if (locked.outcome, locked.client_id) == (WebhookOutcome.ROUTED, client_id):
            return await store.find_webhook_event(Everything(), event_id, tx=tx)
        if locked.outcome not in ASSIGNABLE:
            raise InvalidInput(
                "This event is already routed, or has no content. It cannot be assigned."
            )
        received, read = _message_of(receiver, locked.event, by_hand)
        received = with_own_line(locked.event, received, await store.first_accounts(tx))
        sender = await _sender_for(store, tx, client_id, read)
        if remember and received.known_line is None:
            raise InvalidInput(
                "The event names no modem and port to remember. Leave remember out.",
                field="remember",
            )
        message = receiver.message(locked.event, received, sender, client_id)
        await deliver(store, tx, [message])
        if locked.opt_out_pending:
            await store.write_opt_outs(
                tx, [OptOut(client_id, sender, OptOutSource.KEYWORD, event_id)]
            )
            await store.end_pending(tx, locked, read.numbers, opt_out=opt_out_all)
        await store.write_results(tx, [routed(event_id, received, sender, client_id, ASSIGNED)])
        if remember and received.known_line is not None:
            # After the feed's lock, in the same order as receiving.
            await store.write_modem_route(tx, client_id, received.known_line, None)
        return await store.find_webhook_event(Everything(), event_id, tx=tx)


def _message_of(
    receiver: Receiver, event: DueEvent, by_hand: ByHand
) -> tuple[ReceivedMessage, Sender]:
    """The message of an event and its sender. Raises InvalidInput.

    The operator's values are used only for what could not be read.
    """
    parsed = receiver.parse(event)
    if isinstance(parsed, DeliveryReport):
        raise InvalidInput("This event is a delivery report, not a message. It cannot be assigned.")
    received = (
        parsed if isinstance(parsed, ReceivedMessage) else ReceivedMessage(sender="", text="")
    )
    read = read_sender(receiver.normaliser, received.sender)
    if by_hand.sender is not None:
        if read.numbers:
            raise InvalidInput("The event names its sender: leave sender out.", field="sender")
        read = read_sender(receiver.normaliser, by_hand.sender)
    if by_hand.text is not None:
        if received.text:
            raise InvalidInput("The event has a text: leave text out.", field="text")
        received = replace(received, text=_checked(by_hand.text))
    if not isinstance(parsed, ReceivedMessage) and not received.text:
        raise InvalidInput("The event could not be read: give its text.", field="text")
    if not read.numbers and not read.name:
        raise InvalidInput("The event names no sender: give it.", field="sender")
    return received, read


async def _sender_for(store: AssigningStore, tx: Transaction, client_id: UUID, read: Sender) -> str:
    """The number (or name) of a sender, preferably one that the client has sent to."""
    if len(read.numbers) > 1:
        known = await store.find_correspondents(tx, read.numbers)
        for number in read.numbers:
            if (client_id, number) in known:
                return number
    return read.numbers[0] if read.numbers else read.name


def _checked(text: str) -> str:
    if not 0 < len(text) <= LONGEST_TEXT or _UNSTORABLE.search(text):
        raise InvalidInput(f"A text is 1 to {LONGEST_TEXT} plain characters.", field="text")
    return text
