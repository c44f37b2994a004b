"""GraphQL over HTTP: POST with JSON, queries with GET, and both response media types.

It follows the GraphQL over HTTP specification (stage 2 draft) and passes all audits of the
graphql-http suite. A request has one operation. Batches, multipart and forms are not supported.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.identity.access import Actor
from domain.identity.ports import Authenticator
from domain.installation import Installation
from domain.long_work import SpacedWork
from ibiki.http.middleware import OPERATION
from ibiki.http.requests import (
    EVENT_STREAM,
    RESPONSE_JSON,
    RequestRefused,
    bearer_of,
    best_type,
    credential_of,
    headers_of,
    is_compressed,
    is_json,
    json_of,
    respond,
)
from resolvers.context import Context
from schema.engine import Answer, Engine, NotExecuted, Operation

GRAPHQL = "/graphql"
ALLOW = (b"allow", b"GET, POST")
ANONYMOUS_BYTES = 64 * 1024
SMALL_BYTES = 64 * 1024
NOT_PERSISTED = "PERSISTED_QUERY_NOT_SUPPORTED"
MOST_BRACKETS = 200_000
MOST_COMMAS = 1_001_000
"""`LIMIT_RECIPIENTS` may be 1,000,000."""


@dataclass(frozen=True, slots=True)
class GraphQLParameters:
    """The parameters of one request. Their types are checked."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class EventRequest:
    """A request for server-sent events."""

    parameters: GraphQLParameters
    context: Context
    credential: str | None
    scope: Scope


class Events(Protocol):
    """Responds with server-sent events. Implemented by `ibiki.live.sse`."""

    async def __call__(self, request: EventRequest, receive: Receive, send: Send) -> None:
        """Sends events until the operation is complete or either side disconnects."""


class GraphQLFirst:
    """Answers /graphql over HTTP, and passes all other requests to the router."""

    def __init__(self, graphql: GraphQLOverHttp, others: ASGIApp) -> None:
        self.graphql = graphql
        self.others = others

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"] == GRAPHQL:
            scope["endpoint"] = self.graphql
            return self.graphql(scope, receive, send)
        return self.others(scope, receive, send)


class GraphQLOverHttp:
    """The ASGI application of /graphql."""

    def __init__(
        self,
        engine: Engine,
        installation: Installation,
        authenticator: Authenticator,
        events: Events | None = None,
    ) -> None:
        self.engine = engine
        self.installation = installation
        self.authenticator = authenticator
        self.events = events
        self._large_bodies = SpacedWork()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Raises RequestRefused if it is not a GraphQL request."""
        headers = headers_of(scope)
        media_type = best_type(headers.get(b"accept", b"").decode("latin-1"))
        if media_type is None:
            raise RequestRefused(
                406, "Accept application/json or application/graphql-response+json."
            )
        method = scope["method"]
        if method == "POST":
            actor = await bearer_of(self.authenticator, headers)
            body = await read_body(headers, receive, actor)
            if len(body) > SMALL_BYTES:
                parameters = await self._large_bodies.run(partial(read_json_body, body))
            else:
                parameters = read_json_body(body)
        elif method == "GET":
            actor = await bearer_of(self.authenticator, headers)
            parameters = read_query_string(scope["query_string"])
        else:
            raise RequestRefused(405, "Use POST or GET.", headers=[ALLOW])
        context = Context(self.installation, actor, _address(scope), scope["state"]["request_id"])
        if media_type == EVENT_STREAM:
            await self._stream_events(
                EventRequest(parameters, context, credential_of(headers), scope), receive, send
            )
            return
        answer = await self._answer(parameters, context, scope)
        # With the older media type, only the body shows a failure.
        refused = media_type == RESPONSE_JSON and not answer.executed
        answered = orjson.dumps(answer.body)
        await respond(send, 400 if refused else 200, answered, content_type=media_type)

    async def _stream_events(self, request: EventRequest, receive: Receive, send: Send) -> None:
        if self.events is None:
            raise RequestRefused(406, "This server does not send events.")
        await self.events(request, receive, send)

    async def _answer(
        self, parameters: GraphQLParameters, context: Context, scope: Scope
    ) -> Answer:
        try:
            operation = self.engine.find(parameters.query, parameters.operation_name)
        except NotExecuted as rejected:
            return self.engine.rejection(rejected.errors, context.request_id)
        if operation.kind == "subscription":
            raise RequestRefused(400, "Subscriptions need a WebSocket or text/event-stream.")
        check_method(operation, scope["method"])
        scope["state"][OPERATION] = operation.title
        return await self.engine.execute(operation, parameters.variables, context)


def read_json_body(body: bytes) -> GraphQLParameters:
    """The parameters of a JSON body. Raises RequestRefused."""
    if len(body) > SMALL_BYTES:
        check_density(body)
    given = json_of(body)
    if isinstance(given, list):
        raise RequestRefused(400, "Send one operation in a request. Batches are not supported.")
    if not isinstance(given, dict):
        raise RequestRefused(400, "The body must be a JSON object.")
    return parameters_of(given)


def read_query_string(query_string: bytes) -> GraphQLParameters:
    """The parameters of a URL. Raises RequestRefused."""
    given: dict[str, Any] = split_query_string(query_string)
    for name in ("variables", "extensions"):
        if given.get(name):
            given[name] = json_of(given[name].encode(), name)
        else:
            given.pop(name, None)
    return parameters_of(given)


def split_query_string(query_string: bytes) -> dict[str, str]:
    """Names and values of a query string. Raises RequestRefused if a name is repeated."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError:
        raise RequestRefused(400, "The query string of the URL is invalid.") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise RequestRefused(400, "A parameter is repeated in the URL. Give each one once.")
    return given


def parameters_of(given: dict[str, Any]) -> GraphQLParameters:
    """The parameters of an object. Raises RequestRefused."""
    query, extensions = given.get("query"), given.get("extensions")
    if query is None and isinstance(extensions, dict) and "persistedQuery" in extensions:
        # The name is that of the protocol: clients then send the whole document.
        raise RequestRefused(400, "PersistedQueryNotSupported", code=NOT_PERSISTED)
    if not isinstance(query, str):
        raise RequestRefused(400, "query is required. It is a string with a GraphQL document.")
    operation_name = given.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise RequestRefused(400, "operationName must be a string.")
    for name in ("variables", "extensions"):
        if not isinstance(given.get(name), (dict, type(None))):
            raise RequestRefused(400, f"{name} must be an object.")
    return GraphQLParameters(query, given.get("variables"), operation_name)


def check_density(body: bytes) -> None:
    """Refuses a body that would need far more memory than any real request."""
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS or body.count(b",") > MOST_COMMAS:
        raise RequestRefused(413, "The body contains too many values. Split the request.")


def check_method(operation: Operation, method: str) -> None:
    """Raises RequestRefused for a mutation that is not sent with POST."""
    if operation.kind == "mutation" and method != "POST":
        raise RequestRefused(405, "Send mutations with POST.", headers=[(b"allow", b"POST")])


def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, actor: Actor | None
) -> Awaitable[bytes]:
    """The bytes of a JSON body. Raises RequestRefused."""
    if not is_json(headers.get(b"content-type", b"").decode("latin-1")):
        raise RequestRefused(415, "The Content-Type must be application/json, in UTF-8.")
    if actor is None:
        why = f"Without a valid credential, the body may have at most {ANONYMOUS_BYTES} bytes."
        return read_bytes(headers, receive, most=ANONYMOUS_BYTES, why=why)
    return read_bytes(headers, receive)


async def read_bytes(
    headers: Mapping[bytes, bytes], receive: Receive, *, most: int | None = None, why: str = ""
) -> bytes:
    """The bytes of a text in UTF-8, without a byte order mark, which .NET writes.

    Raises RequestRefused, with the reason `why` if there are too many.
    """
    if is_compressed(headers):
        raise RequestRefused(415, "Compressed bodies are not supported. Send the body as it is.")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(400, "The body is incomplete. Send it again.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if most is not None and size > most:
            raise RequestRefused(413, why)
        if not message.get("more_body"):
            whole = parts[0] if len(parts) == 1 else b"".join(parts)
            return whole.removeprefix(BOM_UTF8)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
