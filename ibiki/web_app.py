"""The web application: its routes and its middleware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp

from domain.dispatch.ports import Backlogs
from domain.identity.ports import Authenticator
from domain.installation import Installation
from ibiki.http.graphql_http import GRAPHQL, GraphQLFirst, GraphQLOverHttp
from ibiki.http.middleware import (
    AllowedOrigins,
    BodyLimit,
    BoundedBodies,
    NoSecretsInUrls,
    OriginCheck,
    RequestMiddleware,
)
from ibiki.http.monitoring_routes import IsReady, MetricsAccess, MonitoringRoutes, once_a_second
from ibiki.http.requests import JSON, body_at
from ibiki.live.sockets import Sockets
from ibiki.live.sse import ServerSentEvents
from ibiki.live.subscribing import Live
from ibiki.observability.metrics import Metrics
from schema.engine import Engine
from schema.schema import build_schema

if TYPE_CHECKING:
    from ibiki.observability.spans import Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class AppParts:
    """The parts of the application. `routes` are additional ones, such as webhooks."""

    installation: Installation
    authenticator: Authenticator
    metrics: Metrics
    is_ready: IsReady
    traces: Traces | None = None
    backlog: Backlogs | None = None
    metrics_access: MetricsAccess = field(default_factory=MetricsAccess)
    origins: AllowedOrigins = field(default_factory=AllowedOrigins)
    open_introspection: bool = True
    body: BodyLimit = field(default_factory=BodyLimit)
    body_by_path: Mapping[str, BodyLimit] = field(default_factory=dict)
    routes: Sequence[BaseRoute] = ()
    live: Live | None = None
    """Subscriptions. None disables them."""


def build_app(parts: AppParts) -> ASGIApp:
    """The application of an installation that is already running. It starts and stops nothing.

    The middleware is outside Starlette, so that /graphql skips Starlette's error layers and router:
    they take longer than the answer to a small request.
    """
    engine, live = engine_of(parts), parts.live
    events = ServerSentEvents(engine, live) if live else None
    graphql = GraphQLOverHttp(engine, parts.installation, parts.authenticator, events)
    inner = _Routed(
        routes=[
            *_sockets(parts, engine),
            *MonitoringRoutes(
                parts.metrics, parts.is_ready, parts.backlog, parts.metrics_access
            ).routes(),
            *parts.routes,
        ],
        exception_handlers={HTTPException: _plain},
    )
    bounded = BoundedBodies(
        GraphQLFirst(graphql, inner), usual=parts.body, by_path=parts.body_by_path
    )
    inside = OriginCheck(NoSecretsInUrls(bounded), allowed=parts.origins)
    return RequestMiddleware(inside, metrics=parts.metrics, traces=parts.traces)


def build_monitoring_app(monitoring: MonitoringRoutes) -> ASGIApp:
    """The application of a process that only serves health checks and metrics."""
    inner = _Routed(routes=monitoring.routes(), exception_handlers={HTTPException: _plain})
    return RequestMiddleware(NoSecretsInUrls(inner), metrics=monitoring.metrics)


class _Routed(Starlette):
    """Starlette without its layer for unexpected errors: `RequestMiddleware` replaces it.

    It does not redirect if the last slash of a path is wrong: many clients would repeat a POST
    without its body or its credential.
    """

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.router.redirect_slashes = False

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(self.router, handlers=self.exception_handlers)


def _sockets(parts: AppParts, engine: Engine) -> list[BaseRoute]:
    if parts.live is None:
        return []
    sockets = Sockets(
        engine,
        parts.installation,
        parts.live,
        parts.metrics.sockets,
        once_a_second(parts.is_ready),
        parts.origins,
    )
    return [WebSocketRoute(GRAPHQL, sockets)]


def engine_of(parts: AppParts) -> Engine:
    """The engine of this installation's schema and limits."""
    return Engine(
        build_schema(),
        most_texts=parts.installation.limits.recipients,
        most_objects=parts.installation.limits.recipients_multi,
        open_introspection=parts.open_introspection,
    )


async def _plain(request: Request, error: Exception) -> Response:
    """Answers 404 and 405 of the router in the same format as other refusals."""
    assert isinstance(error, HTTPException)
    messages = {404: "Not found.", 405: "This method is not allowed."}
    message = messages.get(error.status_code, error.detail)
    body = body_at(request.url.path, error.status_code, message, code="BAD_USER_INPUT")
    headers = {**(error.headers or {}), "content-type": JSON.decode()}
    return Response(body, status_code=error.status_code, headers=headers)
