"""Subscriptions of every kind of connection. Equal ones with equal rights share a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from domain.identity.access import Actor
from domain.installation import Installation
from domain.live.hub import Hub
from domain.live.subscriptions import Subscriber, Viewpoint
from ibiki.http.graphql_http import GraphQLParameters
from ibiki.live.rights import Rights
from schema.engine import Engine, EventRenderer, Operation


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


async def join(
    live: Live,
    engine: Engine,
    installation: Installation,
    parameters: GraphQLParameters,
    operation: Operation,
    actor: Actor | None,
    subscriber: Subscriber,
) -> Callable[[], None]:
    """Adds a subscriber. Returns the function that removes it. Raises NotExecuted."""
    viewpoint = Viewpoint.of(actor) if actor else None
    seen_by = viewpoint.actor if viewpoint else None
    renderer = EventRenderer(engine, installation, operation, parameters.variables, seen_by)
    # The position in a feed is the subscriber's own: it does not change what is rendered.
    positions, given = operation.start_variables, parameters.variables or {}
    shared = {name: value for name, value in given.items() if name not in positions}
    variables = orjson.dumps(shared, option=orjson.OPT_SORT_KEYS)
    key = (parameters.query, operation.name, variables, viewpoint)
    return await live.hub.join(key, renderer, subscriber, renderer.watch)
