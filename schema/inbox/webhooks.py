"""Webhook events and modem routes, as the API shows them to the operator."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.ids import Kind
from domain.inbox import messages as domain_inbox
from domain.inbox import readiness, webhooks
from domain.inbox.webhooks import WebhookOutcome
from resolvers.inbox import webhooks as lookups
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field, resolved_field
from schema.identity.directory import Client
from schema.nodes import Node
from schema.sending.sends import Message
from schema.values import JSON, PhoneNumber, id_of, represents


@strawberry.type(description="A call of a provider: an inbound message or a delivery report.")
@represents(webhooks.WebhookEvent)
class WebhookEvent(Node):
    id: strawberry.ID = id_of(Kind.WEBHOOK_EVENT)
    received_at: datetime = described("When the call arrived.")
    provider: str = described("The provider that called.")
    outcome: WebhookOutcome = described("What was done with the event.")
    reason: str = described("Which rule decided, in words.")
    sender: str | None = described(
        "The sender of an inbound message as it was read: E.164, a short code or a "
        "name. Null before the event is received."
    )
    opt_out_pending: bool = described(
        "A STOP that could concern several clients. Its number is blocked for all of them until "
        "assignInbound decides."
    )
    client = resolved_field(
        lookups.clients_of,
        Client | None,
        description="The client that it was routed to. Null if none is known.",
    )
    inbound = resolved_field(
        lookups.inbound_of,
        Message | None,
        description="The message that was made from it. Null if there is none.",
    )
    modem: str | None = described("The modem that it names. Null if it names none.")
    port: str | None = described("The port that it names. Null if it names none.")
    payload: JSON = described('The body as JSON, or {"text": …} if it is not JSON.')
    times: int = described("How many calls it counts: the refused calls of a minute are one event.")


@strawberry.type(description="Whether webhook events arrive, and their latest results.")
@represents(webhooks.WebhookStatus)
class WebhookStatus:
    last_event: WebhookEvent | None = described(
        "The newest event that was not refused. Null if there is none."
    )
    last_routed_client = resolved_field(
        lookups.last_routed_client,
        Client | None,
        description="The client of the newest routed event. Null if there is none.",
    )
    events_last_hour: int = described("Events of the last hour that were not refused.")
    unrouted: int = described("Events that the operator can assign.")
    pending_opt_outs: int = described(
        "Unrouted STOPs that block a number for several clients until you assign them."
    )
    refused_last_hour: int = described("Calls refused in the last hour.")


@strawberry.type(description="A line (modem and port) that belongs to a client.")
@represents(domain_inbox.ModemRoute)
class ModemRoute(Node):
    id: strawberry.ID = id_of(Kind.MODEM_ROUTE)
    client = resolved_field(
        lookups.clients_of, Client, description="The client that gets the messages of the line."
    )
    modem: str = described("The modem, as webhook events write it.")
    port: str = described("The port, as webhook events write it.")
    assigned_numbers: list[PhoneNumber] = described(
        "Numbers that are assigned to the client with this route."
    )
    learned: bool = described("True: learned from an inbound message. False: set by hand.")
    last_seen_at: datetime | None = described(
        "When the client last received a message on it. Null if it never has."
    )


@strawberry.type(description="One check of a reply.")
@represents(readiness.ReadinessCheck)
class ReadinessCheck:
    name: str = described("What is checked, such as balance or opt-out.")
    passed: bool = described("Whether it passed.")
    detail: str = described("What was found, in words.")


@strawberry.type(description="Whether a client could reply to its last inbound message.")
@represents(readiness.ReplyReadiness)
class ReplyReadiness:
    ready: bool = described("Whether every check passed.")
    checks: list[ReadinessCheck] = described("All checks, in order.")
    inbound: Message | None = described("The client's last inbound message. Null if there is none.")
    modem: str | None = described("The modem that a reply would use. Null if none is known.")
    port: str | None = described("The port that a reply would use. Null if none is known.")


ReplyReadinessResult = Annotated[
    ReplyReadiness | errors.NotFound, strawberry.union("ReplyReadinessResult")
]


@strawberry.type
class WebhookQuery:
    webhook_events = connection_field(
        lookups.webhook_events,
        WebhookEvent,
        cursors=lookups.EVENT_CURSORS,
        description="Webhook events, newest first. With outcome UNROUTED: pending opt-outs first.",
    )
    webhook_status = resolved_field(
        lookups.webhook_status,
        WebhookStatus,
        description="Whether webhook events still arrive, and the latest results.",
    )
    modem_routes = resolved_field(
        lookups.modem_routes,
        list[ModemRoute],
        description="Routes set by hand, then learned ones, last seen first: at most 1,000.",
    )


@strawberry.type
class WebhookMutation:
    set_modem_route = mutation_field(
        lookups.set_modem_route,
        ModemRoute,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Assigns a line to a client.",
    )
    delete_modem_route = mutation_field(
        lookups.delete_modem_route,
        ModemRoute,
        refusals=(errors.NotFound,),
        description="Deletes a route with the numbers that were assigned with it.",
    )
    assign_inbound = mutation_field(
        lookups.assign_inbound,
        WebhookEvent,
        refusals=(errors.NotFound,),
        description="Assigns the message of an UNROUTED, DUPLICATE or INVALID event to a client. "
        "It is then received like any other message. Decides a pending opt-out.",
    )
    test_reply_readiness = resolved_field(
        lookups.test_reply_readiness,
        ReplyReadinessResult,
        description="Runs every check of a reply to the client's last inbound message. Nothing is "
        "sent or charged.",
    )
