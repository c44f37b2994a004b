"""Subscriptions of every kind of connection. Equal ones with equal rights share a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from domain.errors import TryAgain
from domain.identity.access import Actor
from domain.installation import Installation
from domain.live.hub import Hub
from domain.live.subscriptions import Subscriber, Viewpoint, Watch
from ibiki.http.graphql_http import GraphQLParameters
from ibiki.live.rights import Rights
from resolvers.context import Context
from schema.engine import Engine, Operation


@dataclass(frozen=True, slots=True)
class SocketRules:
    """The limits of one socket. `send_seconds`: how long it may read nothing while data waits."""

    init_seconds: float = 3.0
    send_seconds: float = 10.0
    operations: int = 100
    messages_per_second: int = 1_000


@dataclass(frozen=True, slots=True)
class Live:
    """What the live connections of this process share."""

    hub: Hub
    rights: Rights
    rules: SocketRules = field(default_factory=SocketRules)


@dataclass(frozen=True, slots=True)
class LiveRenderer:
    """Executes a subscription once per event. `actor`: of a viewpoint."""

    engine: Engine
    installation: Installation
    operation: Operation
    variables: dict[str, Any] | None
    actor: Actor | None

    async def render(self, value: Any) -> bytes:
        """The response as JSON. Raises TryAgain if the database is unavailable: render it later."""
        answer = await self.engine.execute(
            self.operation, self.variables, self.context(), event=value
        )
        if answer.unavailable:
            raise TryAgain
        return orjson.dumps(answer.body)

    def render_failure(self, failure: Exception) -> bytes:
        """The errors as JSON: the message of a refusal, or a masked error."""
        return orjson.dumps(self.engine.failure(failure, uuid4().hex).errors)

    async def watch(self) -> Watch:
        """What the subscription watches. Raises Rejected."""
        return await self.engine.watch(self.operation, self.variables, self.context())

    def context(self) -> Context:
        """A new context for each event, because loaders cache what they have read."""
        return Context(self.installation, self.actor, address="", request_id=uuid4().hex)


async def join(
    live: Live,
    engine: Engine,
    installation: Installation,
    parameters: GraphQLParameters,
    operation: Operation,
    actor: Actor | None,
    subscriber: Subscriber,
) -> Callable[[], None]:
    """Adds a subscriber. Returns the function that removes it. Raises Rejected."""
    viewpoint = Viewpoint.of(actor) if actor else None
    seen_by = viewpoint.actor if viewpoint else None
    renderer = LiveRenderer(engine, installation, operation, parameters.variables, seen_by)
    # The position in a feed is the subscriber's own: it does not change what is rendered.
    positions, given = operation.start_variables, parameters.variables or {}
    shared = {name: value for name, value in given.items() if name not in positions}
    variables = orjson.dumps(shared, option=orjson.OPT_SORT_KEYS)
    key = (parameters.query, operation.name, variables, viewpoint)
    return await live.hub.join(key, renderer, subscriber, renderer.watch)
