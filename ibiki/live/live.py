"""Subscriptions of whatever connection: found in the hub by what is asked and with which rights."""

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
from ibiki.live.rights import Rights
from resolvers.context import Context
from schema.engine import Engine, Operation


@dataclass(frozen=True, slots=True)
class SocketRules:
    """The bounds of one socket. `send_seconds`: how long it may take nothing of what waits."""

    init_seconds: float = 3.0
    send_seconds: float = 10.0
    operations: int = 100
    messages_per_second: int = 1_000


@dataclass(frozen=True, slots=True)
class Live:
    """What live connections of this process share."""

    hub: Hub
    rights: Rights
    rules: SocketRules = field(default_factory=SocketRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A subscription as it was asked: the document, its operation and the variables."""

    query: str
    operation: Operation
    variables: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LiveRenderer:
    """Executes a question for a viewpoint, event by event."""

    engine: Engine
    installation: Installation
    question: Question
    viewpoint: Viewpoint | None

    async def render(self, value: Any) -> bytes:
        """The response, as JSON. Raises TryAgain where the database is away: told later, whole."""
        question = self.question
        answer = await self.engine.execute(
            question.operation, question.variables, self.context(), event=value
        )
        if answer.away:
            raise TryAgain
        return orjson.dumps(answer.body)

    def render_failure(self, failure: Exception) -> bytes:
        """The errors, as JSON: a refusal in our words, anything else masked."""
        return orjson.dumps(self.engine.failure(failure, uuid4().hex).errors)

    async def watch(self) -> Watch:
        """What is watched. Raises Rejected."""
        question = self.question
        return await self.engine.watch(question.operation, question.variables, self.context())

    def context(self) -> Context:
        """A fresh one for each event: loaders remember what they have read."""
        actor = self.viewpoint.actor if self.viewpoint else None
        return Context(self.installation, actor, address="", request_id=uuid4().hex)


async def join(
    live: Live,
    engine: Engine,
    installation: Installation,
    question: Question,
    actor: Actor | None,
    reader: Subscriber,
) -> Callable[[], None]:
    """Has the reader told, until what is returned is called. Raises Rejected."""
    viewpoint = Viewpoint.of(actor) if actor else None
    telling = LiveRenderer(engine, installation, question, viewpoint)
    # Where a reader begins is its own: it changes nothing in what is told.
    places, given = question.operation.places, question.variables or {}
    shared = {name: value for name, value in given.items() if name not in places}
    variables = orjson.dumps(shared, option=orjson.OPT_SORT_KEYS)
    key = (question.query, question.operation.name, variables, viewpoint)
    return await live.hub.join(key, telling, reader, telling.watch)
