"""Routes as the operator sets them, and messages that the operator gives to a client by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Everything
from domain.identity.ports import IdentityStore
from domain.identity.records import assigned_numbers_of
from domain.inbox.conversations import ModemRoute
from domain.inbox.ports import Switchboard
from domain.inbox.receive import ReceivingStore, Reception, deliver, routed
from domain.inbox.webhooks import DueEvent, InboundCall, WebhookOutcome
from domain.numbers import Normaliser
from domain.sending.sends import Line
from domain.transactions import Transaction, changing

ASSIGNED = "Assigned by hand."
LONGEST_WORD = 128


class SwitchboardStore(Switchboard, IdentityStore, Protocol):
    """What setting routes needs."""


class AssigningStore(SwitchboardStore, ReceivingStore, Protocol):
    """What assigning needs."""


async def set_modem_route(
    store: SwitchboardStore,
    normaliser: Normaliser,
    client_id: UUID,
    line: Line,
    numbers: Sequence[str] | None,
) -> ModemRoute:
    """The line is the client's from now on. `numbers`: that come with it; None leaves them.

    Raises NotFound, and InvalidInput where the line or a number is another client's.
    """
    for field, word in (("modem", line.modem), ("port", line.port)):
        if not 0 < len(word) <= LONGEST_WORD or not word.isprintable():
            raise InvalidInput(f"Give the {field} as events name it.", field=field)
    checked = None if numbers is None else assigned_numbers_of(numbers, normaliser)
    async with changing(store) as tx:
        await store.lock_identities(tx)
        await _check_client(store, tx, client_id)
        return await store.write_modem_route(tx, client_id, line, checked)


async def delete_modem_route(store: SwitchboardStore, route_id: UUID) -> ModemRoute:
    """The route as it was; it is gone, with the numbers that came with it. Raises NotFound."""
    async with changing(store) as tx:
        await store.lock_identities(tx)
        return await store.drop_modem_route(tx, route_id)


async def assign_inbound(
    store: AssigningStore,
    reception: Reception,
    event_id: UUID,
    client_id: UUID,
    *,
    remember: bool,
) -> None:
    """Gives a message that nobody could be found for to a client: the whole of receiving.

    `remember`: its line is the client's from now on. Safe to repeat. Raises NotFound, and
    InvalidInput for what is no such message, or a line that is another client's.
    """
    async with changing(store) as tx:
        await store.lock_identities(tx)
        await _check_client(store, tx, client_id)
        held = await store.hold_event(tx, event_id)
        if (held.outcome, held.client_id) == (WebhookOutcome.ROUTED, client_id):
            return
        if held.outcome is not WebhookOutcome.UNROUTED:
            raise InvalidInput("Only a message that nobody could be found for can be assigned.")
        call, number = _message_of(reception, held.event)
        if remember and call.line is None:
            raise InvalidInput("It names no modem and port to remember.", field="remember")
        await deliver(store, tx, [reception.arrival(held.event, call, number, client_id)])
        await store.write_rulings(tx, [routed(event_id, call, client_id, ASSIGNED)])
        if remember and call.line is not None:
            # Behind the feed's lock, as receiving takes both.
            await store.write_modem_route(tx, client_id, call.line, None)


def _message_of(reception: Reception, event: DueEvent) -> tuple[InboundCall, str]:
    """The message of an event and its sender's number. Raises InvalidInput."""
    call = reception.parse(event)
    if not isinstance(call, InboundCall):
        raise InvalidInput("This event is no message from a phone.")
    number = reception.number_of(call.sender)
    if number is None:
        raise InvalidInput("Its sender is not a phone number: nobody could answer it.")
    return call, number


async def _check_client(store: IdentityStore, tx: Transaction, client_id: UUID) -> None:
    if client_id not in await store.find_clients(Everything(), [client_id], tx=tx):
        raise NotFound("client")
