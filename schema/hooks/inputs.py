"""Inputs of the webhooks that clients register."""

from __future__ import annotations

import strawberry

from domain.hooks.deliveries import EventType
from schema.fields import described, optional


@strawberry.input(description="A URL to post events to.")
class CreateWebhookEndpointInput:
    url: str = described(
        "An https URL with a public address, at most 2,000 characters. An installation for trying "
        "out, which sends no real SMS, allows http on its own machine too."
    )
    events: list[EventType] = described("What to post.")
    description: str | None = optional("For people: at most 200 characters.")
    client_id: strawberry.ID | None = optional(
        "The client. Required for an admin, and only for admins."
    )


@strawberry.input(description="What to change about an endpoint. Absent and null keep a value.")
class UpdateWebhookEndpointInput:
    id: strawberry.ID = described("The endpoint.")
    url: str | None = optional("The new URL.")
    events: list[EventType] | None = optional("What to post.")
    description: str | None = optional("For people. An empty text clears it.")
    paused: bool | None = optional(
        "True: nothing is posted, and events are not kept for it. False: resumes it."
    )


@strawberry.input(description="Which endpoint to delete.")
class DeleteWebhookEndpointInput:
    id: strawberry.ID = described("The endpoint.")


@strawberry.input(description="Which endpoint gets a new secret.")
class RotateWebhookSecretInput:
    id: strawberry.ID = described("The endpoint.")


@strawberry.input(description="Which endpoint to test.")
class TestWebhookEndpointInput:
    __test__ = False

    id: strawberry.ID = described("The endpoint.")


@strawberry.input(description="Which delivery to repeat.")
class RedeliverInput:
    delivery_id: strawberry.ID = described("The delivery.")
