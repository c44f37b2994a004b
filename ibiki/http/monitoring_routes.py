"""The endpoints for monitoring: /healthz, /readyz and /metrics."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain.dispatch.ports import Backlogs
from ibiki.http.middleware import FORWARDED
from ibiki.http.requests import RequestRefused, ip_of
from ibiki.observability.metrics import CONTENT_TYPE, Metrics

IsReady = Callable[[], Coroutine[Any, Any, str | None]]
"""Returns why the process cannot work, or None if it can."""


def once_a_second(is_ready: IsReady) -> IsReady:
    """Calls `is_ready` at most once a second. Other callers get the same answer."""
    answer: asyncio.Task[str | None] | None = None
    asked_at = 0.0

    async def shared() -> str | None:
        nonlocal answer, asked_at
        if answer is None or time.monotonic() - asked_at > 1:
            asked_at = time.monotonic()
            # A task in a separate context: it must not inherit the caller's transaction.
            answer = asyncio.get_running_loop().create_task(is_ready(), context=Context())
        return await asyncio.shield(answer)

    return shared


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsAccess:
    """Who may read /metrics: callers with the token or, if none is set, from a private network.

    The metrics name providers, and clients can reach the same port.
    """

    token: str | None = None

    def admit(self, request: Request) -> bool:
        """Whether this request may read the metrics."""
        if self.token is not None:
            shown = request.headers.get("authorization", "").removeprefix("Bearer ")
            return hmac.compare_digest(_hashed(shown), _hashed(self.token))
        if any(name in request.headers for name in FORWARDED):
            return False  # the request came through a proxy, from any network
        ip = ip_of(request.client)
        return ip is not None and ip.is_private


@dataclass(frozen=True, slots=True)
class MonitoringRoutes:
    """/healthz, /readyz and /metrics of one process. `store` provides the backlog, if given."""

    metrics: Metrics
    is_ready: IsReady
    store: Backlogs | None = None
    rules: MetricsAccess = MetricsAccess()

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [
            Route("/healthz", self.health, methods=["GET"]),
            Route("/readyz", self.readiness, methods=["GET"]),
            Route("/metrics", self.exposition, methods=["GET"]),
        ]

    async def health(self, _request: Request) -> Response:
        """Answers while the process runs."""
        return JSONResponse({"status": "ok"})

    async def readiness(self, _request: Request) -> Response:
        """Whether the process can work, with the reason if not."""
        reason = await self.is_ready()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    async def exposition(self, request: Request) -> Response:
        """The metrics, in the format of Prometheus. Raises RequestRefused."""
        if not self.rules.admit(request):
            message = "Send METRICS_TOKEN as a bearer token, or call from a private network."
            raise RequestRefused(401, message, code="UNAUTHENTICATED")
        if self.store is not None:
            await self.metrics.backlog.refresh(self.store)
        return Response(self.metrics.exposition(), media_type=CONTENT_TYPE)


def _hashed(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
