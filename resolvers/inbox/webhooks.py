"""Webhook events and modem routes, for the operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from strawberry import argument

from domain import ids
from domain.identity.access import Everything, Role
from domain.identity.directory import Client
from domain.ids import Kind
from domain.inbox import routes
from domain.inbox.messages import AnyMessage, ModemRoute
from domain.inbox.readiness import ReplyReadiness, check_readiness
from domain.inbox.webhooks import EventKey, WebhookEvent, WebhookOutcome, WebhookStatus
from domain.pages import Page, Window
from domain.sending.messages import Line
from resolvers.context import Info, load_clients, load_messages, requires
from resolvers.pages import Cursors
from schema.inbox.inputs import (
    AssignInboundInput,
    DeleteModemRouteInput,
    SetModemRouteInput,
    TestReplyReadinessInput,
)


@requires(Role.ADMIN)
async def webhook_events(
    info: Info,
    window: Window[EventKey],
    outcome: Annotated[
        WebhookOutcome | None, argument(description="Only events with this outcome.")
    ] = None,
) -> Page[WebhookEvent]:
    """Events of all providers, newest first; of unrouted ones, pending opt-outs first."""
    return await info.context.installation.store.read_webhook_events(
        Everything(), window, outcome=outcome
    )


@requires(Role.ADMIN)
async def webhook_status(info: Info) -> WebhookStatus:
    """Whether events still arrive, and their latest results."""
    return await info.context.installation.store.read_webhook_status(Everything())


@requires(Role.ADMIN)
async def modem_routes(info: Info) -> list[ModemRoute]:
    """Lines and their clients."""
    return list(await info.context.installation.store.read_modem_routes(Everything()))


@requires(Role.ADMIN)
async def set_modem_route(info: Info, input: SetModemRouteInput) -> ModemRoute:
    """Assigns a line to a client."""
    installation = info.context.installation
    client_id = ids.decode(Kind.CLIENT, input.client_id)
    line = Line(input.modem, input.port)
    return await routes.set_modem_route(
        installation.store, installation.normaliser, client_id, line, input.assigned_numbers
    )


@requires(Role.ADMIN)
async def delete_modem_route(info: Info, input: DeleteModemRouteInput) -> ModemRoute:
    """Deletes a route and returns it."""
    route_id = ids.decode(Kind.MODEM_ROUTE, input.id)
    return await routes.delete_modem_route(info.context.installation.store, route_id)


@requires(Role.ADMIN)
async def assign_inbound(info: Info, input: AssignInboundInput) -> WebhookEvent:
    """Assigns the message of an event to a client."""
    installation = info.context.installation
    event_id = ids.decode(Kind.WEBHOOK_EVENT, input.webhook_event_id)
    client_id = ids.decode(Kind.CLIENT, input.client_id)
    return await routes.assign_inbound(
        installation.store,
        installation.receiver,
        event_id,
        client_id,
        by_hand=routes.ByHand(input.sender, input.text),
        remember=bool(input.remember),
        opt_out_all=bool(input.opt_out_all),
    )


@requires(Role.ADMIN)
async def test_reply_readiness(info: Info, input: TestReplyReadinessInput) -> ReplyReadiness:
    """Runs every check of a reply of the client."""
    client_id = ids.decode(Kind.CLIENT, input.client_id)
    return await check_readiness(info.context.installation, client_id)


async def clients_of(roots: Sequence[WebhookEvent | ModemRoute], info: Info) -> list[Client | None]:
    """The client of each; None for an event that was not routed."""
    return await load_clients(info, [root.client_id for root in roots])


async def last_routed_client(root: WebhookStatus, info: Info) -> Client | None:
    """The client that the last event was routed to."""
    [client] = await load_clients(info, [root.last_routed_client_id])
    return client


async def inbound_of(roots: Sequence[WebhookEvent], info: Info) -> list[AnyMessage | None]:
    """The message that each event became."""
    return await load_messages(info, [root.inbound_id for root in roots])


def _encode(key: EventKey) -> str:
    pending, event_id = key
    return f"{'u' if pending else 'c'}{ids.to_base32(event_id)}"


def _decode(cursor: str) -> EventKey | None:
    event_id = ids.from_base32(cursor[1:]) if cursor[:1] in ("u", "c") else None
    return None if event_id is None else (cursor[0] == "u", event_id)


def _key_of(event: WebhookEvent) -> EventKey:
    return event.key


EVENT_CURSORS = Cursors(_key_of, _encode, _decode)
"""Cursors of unrouted events. They stay valid after a pending STOP was decided."""
