"""Who gets what: the webhooks that clients register."""

from __future__ import annotations

from tests.matrix.row import EMPTY, FORBIDDEN, NOT_FOUND, senders
from tests.matrix.row import Row as Row
from tests.matrix.things import a_hook_delivery, a_hook_endpoint, the_client

NEW = {"url": "https://example.com/hooks", "events": ["MESSAGE_UPDATED"]}


def changes(given: object) -> Row:
    """A change of the owner's endpoint."""
    return senders("owner", sibling=NOT_FOUND, admin="owner", given={"input": given})


ROWS: dict[str, list[Row]] = {
    "Query.webhookEndpoints": [
        senders(
            "owner",
            sibling=EMPTY,
            admin="owner",
            given={"clientId": the_client},
            first=a_hook_endpoint.find,
        )
    ],
    "WebhookEndpoint.client": [
        senders(
            FORBIDDEN,
            sibling=EMPTY,
            admin="group owner",
            through="Query.webhookEndpoints",
            first=a_hook_endpoint.find,
        )
    ],
    "Query.webhookDeliveries": [
        senders(
            "owner",
            sibling=NOT_FOUND,
            admin="owner",
            given={"endpointId": a_hook_endpoint, "status": "DELIVERED"},
        )
    ],
    "Subscription.webhookEndpointUpdated": [
        senders("owner", sibling=NOT_FOUND, admin="owner", given={"id": a_hook_endpoint})
    ],
    "Mutation.createWebhookEndpoint": [
        senders("owner", sibling="sibling", admin="InvalidInput", given={"input": NEW}),
        senders(
            "owner",
            sibling=NOT_FOUND,
            admin="owner",
            given={"input": {**NEW, "clientId": the_client}},
        ),
    ],
    "Mutation.updateWebhookEndpoint": [changes({"id": a_hook_endpoint, "paused": True})],
    "Mutation.deleteWebhookEndpoint": [changes({"id": a_hook_endpoint})],
    "Mutation.rotateWebhookSecret": [changes({"id": a_hook_endpoint})],
    "Mutation.testWebhookEndpoint": [changes({"id": a_hook_endpoint})],
    "Mutation.redeliver": [changes({"deliveryId": a_hook_delivery})],
}
