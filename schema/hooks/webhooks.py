"""The webhooks that clients register, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.hooks import endpoints as domain_hooks
from domain.hooks.deliveries import DeliveryStatus, EventType
from domain.hooks.endpoints import EndpointStatus
from domain.ids import Kind
from resolvers.hooks import endpoints as lookups
from resolvers.sending.sends import clients_of
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field, resolved_field
from schema.identity.directory import Client
from schema.nodes import Node
from schema.values import id_of, represents


@strawberry.type(description="One event for one endpoint. It is kept for 7 days.")
@represents(domain_hooks.Delivery)
class WebhookDelivery(Node):
    id: strawberry.ID = id_of(Kind.HOOK_DELIVERY, description="The delivery's ID.")
    endpoint_id: strawberry.ID = id_of(
        Kind.HOOK_ENDPOINT, description="The endpoint that it is for."
    )
    event_id: strawberry.ID = id_of(
        Kind.HOOK_EVENT,
        description="The ID in the body and in the header `webhook-id`: the same for all attempts "
        "and redeliveries of the event.",
    )
    type: EventType = described("What happened.")
    object_id = resolved_field(
        lookups.object_id_of,
        strawberry.ID | None,
        description="The ID of the message, send or client that it is about. Null for an opt-out.",
    )
    url: str | None = described(
        "The URL of a status callback. Null for an event, which is posted to the endpoint's URL."
    )
    status: DeliveryStatus = described("Whether it has arrived.")
    attempts: int = described("How often it was posted.")
    occurred_at: datetime = described("When the event happened.")
    created_at: datetime = described(
        "When the delivery was made: later than the event if it is a redelivery."
    )
    attempted_at: datetime | None = described("When it was last posted. Null if it never was.")
    next_attempt_at: datetime | None = described(
        "When it is posted next, if the endpoint is not failing. Null if it is done."
    )
    duration_ms: int | None = described(
        "How long the last attempt took, in milliseconds. Null before the first one."
    )
    answer_status: int | None = described(
        "The HTTP status of the last answer. Null if there was none."
    )
    answer: str | None = described(
        "The first 1,024 characters of the last answer. Null if it was empty or there was none."
    )
    error: str | None = described(
        "Why the last attempt failed, as a sentence. Null if it succeeded."
    )


@strawberry.type(description="A URL that the events of a client are posted to.")
@represents(domain_hooks.Endpoint)
class WebhookEndpoint(Node):
    id: strawberry.ID = id_of(Kind.HOOK_ENDPOINT, description="The endpoint's ID.")
    url: str = described("The URL that events are posted to.")
    description: str | None = described("For people. Null without one.")
    events: list[EventType] = described("What is posted.")
    status: EndpointStatus = described("How it answers.")
    failing_since: datetime | None = described(
        "When attempts began to fail. Null if the last one succeeded."
    )
    succeeded_at: datetime | None = described(
        "When an event last arrived, to the minute. Null if none has."
    )
    paused_at: datetime | None = described("When it was paused. Null if it is not.")
    pause_reason: str | None = described("Why it was paused, as a sentence. Null if it is not.")
    old_secret_until: datetime | None = described(
        "Until this time, the previous secret signs as well. Null if it does not."
    )
    created_at: datetime = described("When it was created.")
    client = resolved_field(
        clients_of, Client | None, description="The client whose events it gets."
    )
    deliveries = connection_field(
        lookups.deliveries_of, WebhookDelivery, description="Its deliveries, the newest first."
    )


@strawberry.type(description="An endpoint with its new secret.")
@represents(domain_hooks.NewSecret)
class WebhookEndpointSecret:
    endpoint: WebhookEndpoint = described("The endpoint that the secret belongs to.")
    secret: str = described(
        "The key that signs what is posted (Standard Webhooks). It is shown only this "
        "once: store it safely."
    )


@strawberry.type
class HookQuery:
    webhook_endpoints = resolved_field(
        lookups.webhook_endpoints,
        list[WebhookEndpoint],
        description="The URLs that the client's events are posted to, the oldest first: at most "
        "10 of a client, and the first 100 of all clients for an admin. (`webhookEvents` are the "
        "calls of providers to this installation.)",
    )
    webhook_deliveries = connection_field(
        lookups.webhook_deliveries,
        WebhookDelivery,
        description="What was posted to an endpoint in the last 7 days, the newest first.",
    )


@strawberry.type
class HookMutation:
    create_webhook_endpoint = mutation_field(
        lookups.create_webhook_endpoint,
        WebhookEndpointSecret,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Registers a URL that the client's events are posted to, signed with its own "
        "secret. At most 10 for each client.",
    )
    update_webhook_endpoint = mutation_field(
        lookups.update_webhook_endpoint,
        WebhookEndpoint,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Changes, pauses or resumes an endpoint. Safe to repeat.",
    )
    delete_webhook_endpoint = mutation_field(
        lookups.delete_webhook_endpoint,
        WebhookEndpoint,
        refusals=(errors.NotFound,),
        description="Deletes an endpoint. Nothing more is posted to it.",
    )
    rotate_webhook_secret = mutation_field(
        lookups.rotate_webhook_secret,
        WebhookEndpointSecret,
        refusals=(errors.NotFound,),
        description="Gives an endpoint a new secret. For 24 hours, the previous one signs as well.",
    )
    test_webhook_endpoint = mutation_field(
        lookups.test_webhook_endpoint,
        WebhookDelivery,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Posts an event of the type `webhook.test`. `webhookDeliveries` shows what "
        "came back.",
    )
    redeliver = mutation_field(
        lookups.redeliver,
        WebhookDelivery,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Posts the event of a finished delivery again, as a new delivery.",
    )


@strawberry.type
class HookSubscription:
    webhook_endpoint_updated = strawberry.subscription(
        resolver=lookups.webhook_endpoint_updated,
        graphql_type=WebhookEndpoint,
        description="An endpoint at once, then again after each change of what is selected."
        " Select `deliveries` to see each one.",
    )
