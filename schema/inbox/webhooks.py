"""Webhook events and modem routes, as the API shows them to the operator."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.inbox import conversations as domain_inbox
from domain.inbox import readiness, webhooks
from domain.inbox.webhooks import WebhookOutcome
from resolvers.ids import Kind
from resolvers.inbox import webhooks as switchboard
from schema import errors
from schema.binding import stands_for
from schema.connections import connection_field
from schema.identity.directory import Client
from schema.ids import id_of
from schema.scalars import JSON, PhoneNumber
from schema.sending.sends import Message


@strawberry.type
@stands_for(webhooks.WebhookEvent)
class WebhookEvent:
    id: strawberry.ID = id_of(Kind.WEBHOOK_EVENT)
    received_at: datetime
    provider: str
    outcome: WebhookOutcome
    reason: str = strawberry.field(description="Which rule routed it, in words.")
    client = strawberry.field(resolver=switchboard.client_of, graphql_type=Client | None)
    inbound = strawberry.field(resolver=switchboard.inbound_of, graphql_type=Message | None)
    modem: str | None
    port: str | None
    payload: JSON
    times: int = strawberry.field(
        description="How often: refused events are told together, by the minute, without content."
    )


@strawberry.type
@stands_for(webhooks.WebhookStatus)
class WebhookStatus:
    last_event: WebhookEvent | None
    last_routed_client = strawberry.field(
        resolver=switchboard.last_routed_client, graphql_type=Client | None
    )
    events_last_hour: int
    unrouted: int
    refused_last_hour: int


@strawberry.type
@stands_for(domain_inbox.ModemRoute)
class ModemRoute:
    id: strawberry.ID = id_of(Kind.MODEM_ROUTE)
    client = strawberry.field(resolver=switchboard.client_of, graphql_type=Client)
    modem: str
    port: str
    assigned_numbers: list[PhoneNumber]
    learned: bool = strawberry.field(description="Learned from an inbound message, or set by hand.")
    last_seen_at: datetime | None


@strawberry.type
@stands_for(readiness.ReadinessCheck)
class ReadinessCheck:
    name: str
    passed: bool
    detail: str


@strawberry.type
@stands_for(readiness.ReplyReadiness)
class ReplyReadiness:
    ready: bool
    checks: list[ReadinessCheck]
    inbound: Message | None
    modem: str | None
    port: str | None


SetModemRouteResult = Annotated[
    ModemRoute | errors.InvalidInput | errors.NotFound, strawberry.union("SetModemRouteResult")
]
DeleteModemRouteResult = Annotated[
    ModemRoute | errors.NotFound, strawberry.union("DeleteModemRouteResult")
]
AssignInboundResult = Annotated[
    WebhookEvent | errors.NotFound, strawberry.union("AssignInboundResult")
]
ReplyReadinessResult = Annotated[
    ReplyReadiness | errors.NotFound, strawberry.union("ReplyReadinessResult")
]


@strawberry.type
class SwitchboardQuery:
    webhook_events = connection_field(
        switchboard.webhook_events, WebhookEvent, description="ADMIN."
    )
    webhook_status = strawberry.field(
        resolver=switchboard.webhook_status,
        graphql_type=WebhookStatus,
        description="Last event, its modem and port, who it was routed to, "
        "and whether events still arrive. ADMIN.",
    )
    modem_routes = strawberry.field(
        resolver=switchboard.modem_routes, graphql_type=list[ModemRoute], description="ADMIN."
    )


@strawberry.type
class SwitchboardMutation:
    set_modem_route = strawberry.field(
        resolver=switchboard.set_modem_route,
        graphql_type=SetModemRouteResult,
        description="assignedNumbers: those that come with the route; absent leaves them. ADMIN.",
    )
    delete_modem_route = strawberry.field(
        resolver=switchboard.delete_modem_route,
        graphql_type=DeleteModemRouteResult,
        description="The numbers that came with it go with it. ADMIN.",
    )
    assign_inbound = strawberry.field(
        resolver=switchboard.assign_inbound,
        graphql_type=AssignInboundResult,
        description="Gives an inbound message that nobody could be found for to a client. ADMIN.",
    )
    test_reply_readiness = strawberry.field(
        resolver=switchboard.test_reply_readiness,
        graphql_type=ReplyReadinessResult,
        description="Rehearses a reply to the client's last inbound message: every check, "
        "nothing sent, nothing charged. ADMIN.",
    )
