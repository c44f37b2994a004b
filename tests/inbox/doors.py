"""A running door for providers, over a real database: real uvicorn on loopback."""

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
class Door:
    """A front with its webhooks, and the intake behind them."""

    front: RunningServer
    intake: Intake

    async def call(self, said: object, path: str = EXTREME_PATH, **headers: str) -> httpx.Response:
        """What is answered to a provider that says this, and shows the secret."""
        return await self.knock(json.dumps(said).encode(), path, **{**SHOWN, **headers})

    async def knock(self, body: bytes, path: str = EXTREME_PATH, **headers: str) -> httpx.Response:
        """What is answered to these bytes, with these headers alone."""
        return await self.front.http.post(path, content=body, headers=headers)


@asynccontextmanager
async def door(**rules: Any) -> AsyncIterator[Door]:
    """A door with these rules; the secret is SECRET unless named."""
    intake = Intake(store, PARSERS)
    intake.start()
    webhooks = Webhooks(intake, WebhookRules(**{"secrets": [SECRET], **rules}), Metrics())
    async with running_server(routes=webhooks.routes()) as made:
        try:
            yield Door(made, intake)
        finally:
            await intake.stop()
