"""The webhooks that clients register: endpoints and their deliveries."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.hooks.deliveries import DeliveryStatus
from domain.hooks.endpoints import Delivery, Endpoint, EndpointChange, NewSecret
from domain.identity.access import message_scope
from domain.ids import Kind
from domain.live import hints
from domain.live.subscriptions import StateWatch
from domain.pages import Page, Window
from resolvers.context import Info, actor_of, requires
from resolvers.hooks.payloads import kind_of_subject
from schema.hooks.inputs import (
    CreateWebhookEndpointInput,
    DeleteWebhookEndpointInput,
    RedeliverInput,
    RotateWebhookSecretInput,
    TestWebhookEndpointInput,
    UpdateWebhookEndpointInput,
)

Status = Annotated[DeliveryStatus | None, argument(description="Only deliveries with this status.")]


@requires(account=True)
async def webhook_endpoints(
    info: Info,
    client_id: Annotated[ID | None, argument(description="Only those of this client.")] = None,
    callbacks: Annotated[
        bool | None,
        argument(
            description="The hosts that status callbacks of messages are posted to, instead of "
            "the endpoints that were registered. The Twilio-compatible API adds them."
        ),
    ] = None,
) -> list[Endpoint]:
    """The endpoints of the actor's client; of all clients for an admin."""
    scope = message_scope(actor_of(info))
    only = None if client_id is None else ids.find(Kind.CLIENT, client_id)
    if client_id is not None and only is None:
        return []
    store = info.context.installation.store
    found = await store.list_endpoints(scope, client_id=only, callbacks=bool(callbacks))
    return list(found)


@requires(account=True)
async def webhook_deliveries(
    info: Info,
    window: Window[UUID],
    endpoint_id: Annotated[ID, argument(description="The endpoint.")],
    status: Status = None,
) -> Page[Delivery]:
    """The deliveries of an endpoint."""
    scope = message_scope(actor_of(info))
    key = ids.decode(Kind.HOOK_ENDPOINT, endpoint_id)
    store = info.context.installation.store
    await store.find_endpoint(scope, key, callbacks=True)
    return await store.read_deliveries(scope, key, window, status=status)


@requires(account=True)
async def webhook_endpoint_updated(
    info: Info, id: Annotated[ID, argument(description="The ID of the endpoint.")]
) -> StateWatch[Endpoint]:
    """An endpoint, again after each change of it and each delivery."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    key = ids.decode(Kind.HOOK_ENDPOINT, id)
    topics = frozenset({hints.HOOK + key.bytes})
    return StateWatch(
        read=lambda: store.find_endpoint(scope, key, callbacks=True), topics_of=lambda _: topics
    )


@requires(account=True)
async def create_webhook_endpoint(info: Info, input: CreateWebhookEndpointInput) -> NewSecret:
    """Adds an endpoint."""
    client_id = ids.decode_given(Kind.CLIENT, input.client_id)
    return await info.context.installation.hooks.create(
        actor_of(info),
        client_id=client_id,
        url=input.url,
        events=input.events,
        description=input.description,
    )


@requires(account=True)
async def update_webhook_endpoint(info: Info, input: UpdateWebhookEndpointInput) -> Endpoint:
    """Changes an endpoint."""
    return await info.context.installation.hooks.update(
        actor_of(info),
        ids.decode(Kind.HOOK_ENDPOINT, input.id),
        EndpointChange(input.url, input.events, input.description, input.paused),
    )


@requires(account=True)
async def delete_webhook_endpoint(info: Info, input: DeleteWebhookEndpointInput) -> Endpoint:
    """Deletes an endpoint."""
    key = ids.decode(Kind.HOOK_ENDPOINT, input.id)
    return await info.context.installation.hooks.delete(actor_of(info), key)


@requires(account=True)
async def rotate_webhook_secret(info: Info, input: RotateWebhookSecretInput) -> NewSecret:
    """Gives an endpoint a new secret."""
    key = ids.decode(Kind.HOOK_ENDPOINT, input.id)
    return await info.context.installation.hooks.rotate(actor_of(info), key)


@requires(account=True)
async def test_webhook_endpoint(info: Info, input: TestWebhookEndpointInput) -> Delivery:
    """Posts a test event."""
    key = ids.decode(Kind.HOOK_ENDPOINT, input.id)
    return await info.context.installation.hooks.test(actor_of(info), key)


@requires(account=True)
async def redeliver(info: Info, input: RedeliverInput) -> Delivery:
    """Posts an event again."""
    key = ids.decode(Kind.HOOK_DELIVERY, input.delivery_id)
    return await info.context.installation.hooks.redeliver(actor_of(info), key)


async def deliveries_of(
    root: Endpoint, info: Info, window: Window[UUID], status: Status = None
) -> Page[Delivery]:
    """The deliveries of one endpoint."""
    scope = message_scope(actor_of(info))
    store = info.context.installation.store
    return await store.read_deliveries(scope, root.id, window, status=status)


def object_id_of(root: Delivery) -> ID | None:
    """The ID of what the event is about. None for an opt-out, which has no ID."""
    kind = kind_of_subject(root.type)
    return None if kind is None else ID(ids.encode(kind, root.subject))
