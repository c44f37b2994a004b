"""Webhook events and modem routes: the operator's alone."""

from __future__ import annotations

from uuid import UUID

from domain.identity.access import Everything, Role
from domain.identity.records import Client
from domain.inbox import routes
from domain.inbox.conversations import AnyMessage, ModemRoute
from domain.inbox.readiness import ReplyReadiness, rehearse_reply
from domain.inbox.webhooks import WebhookEvent, WebhookOutcome, WebhookStatus
from domain.pages import Page, Window
from domain.sending.sends import Line
from resolvers import ids
from resolvers.context import Info, actor_of
from resolvers.ids import Kind
from resolvers.loaders import load_client, load_message
from schema.inputs import (
    AssignInboundInput,
    DeleteModemRouteInput,
    SetModemRouteInput,
    TestReplyReadinessInput,
)


async def webhook_events(
    info: Info, window: Window[UUID], outcome: WebhookOutcome | None = None
) -> Page[WebhookEvent]:
    """Events of all providers, newest first."""
    actor_of(info, Role.ADMIN)
    return await info.context.installation.store.read_webhook_events(
        Everything(), window, outcome=outcome
    )


async def webhook_status(info: Info) -> WebhookStatus:
    """Whether events still arrive, and what became of them lately."""
    actor_of(info, Role.ADMIN)
    return await info.context.installation.store.read_webhook_status(Everything())


async def modem_routes(info: Info) -> list[ModemRoute]:
    """Lines and whose they are."""
    actor_of(info, Role.ADMIN)
    return list(await info.context.installation.store.read_modem_routes(Everything()))


async def set_modem_route(info: Info, input: SetModemRouteInput) -> ModemRoute:
    """The line is the client's from now on."""
    actor_of(info, Role.ADMIN)
    installation = info.context.installation
    client_id = ids.decode(Kind.CLIENT, input.client_id)
    line = Line(input.modem, input.port)
    return await routes.set_modem_route(
        installation.store, installation.normaliser, client_id, line, input.assigned_numbers
    )


async def delete_modem_route(info: Info, input: DeleteModemRouteInput) -> ModemRoute:
    """The route as it was."""
    actor_of(info, Role.ADMIN)
    route_id = ids.decode(Kind.MODEM_ROUTE, input.id)
    return await routes.delete_modem_route(info.context.installation.store, route_id)


async def assign_inbound(info: Info, input: AssignInboundInput) -> WebhookEvent:
    """The event, with the client that it is given to."""
    actor_of(info, Role.ADMIN)
    installation = info.context.installation
    event_id = ids.decode(Kind.WEBHOOK_EVENT, input.webhook_event_id)
    client_id = ids.decode(Kind.CLIENT, input.client_id)
    await routes.assign_inbound(
        installation.store,
        installation.reception,
        event_id,
        client_id,
        remember=bool(input.remember),
    )
    return await installation.store.find_webhook_event(Everything(), event_id)


async def test_reply_readiness(info: Info, input: TestReplyReadinessInput) -> ReplyReadiness:
    """A reply of the client's, rehearsed."""
    actor_of(info, Role.ADMIN)
    client_id = ids.decode(Kind.CLIENT, input.client_id)
    return await rehearse_reply(info.context.installation, client_id)


async def client_of(root: WebhookEvent | ModemRoute, info: Info) -> Client | None:
    """Whose it is; None for an event that is nobody's."""
    return await load_client(info, root.client_id)


async def last_routed_client(root: WebhookStatus, info: Info) -> Client | None:
    """Whom the last event was routed to."""
    return await load_client(info, root.last_routed_client_id)


async def inbound_of(root: WebhookEvent, info: Info) -> AnyMessage | None:
    """The message that it became."""
    return await load_message(info, root.inbound_id)
