"""The webhook endpoints on a real database, served by uvicorn on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from domain.inbox.intake import Intake
from ibiki.http.webhooks import EXTREME_PATH, WebhookRules, Webhooks
from ibiki.observability.metrics import Metrics
from persistence import store
from providers.registry import PARSERS
from tests.ibiki.http_server import RunningServer, running_server

SECRET = "a secret that the provider has on file"
SHOWN = {"x-webhook-secret": SECRET}


@dataclass
class WebhookApp:
    """A server with the webhook endpoints, and their intake."""

    front: RunningServer
    intake: Intake

    async def call(
        self, content: object, path: str = EXTREME_PATH, **headers: str
    ) -> httpx.Response:
        """The answer to a call with this JSON and the secret."""
        return await self.post(json.dumps(content).encode(), path, **{**SHOWN, **headers})

    async def post(self, body: bytes, path: str = EXTREME_PATH, **headers: str) -> httpx.Response:
        """The answer to a call with this body and only these headers."""
        return await self.front.http.post(path, content=body, headers=headers)


@asynccontextmanager
async def webhook_app(**rules: Any) -> AsyncIterator[WebhookApp]:
    """The endpoints with these rules. The secret is SECRET unless given."""
    intake = Intake(store, PARSERS)
    intake.start()
    webhooks = Webhooks(intake, WebhookRules(**{"secrets": [SECRET], **rules}), Metrics())
    async with running_server(routes=webhooks.routes()) as made:
        try:
            yield WebhookApp(made, intake)
        finally:
            await intake.stop()
