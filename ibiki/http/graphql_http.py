"""GraphQL over HTTP: POST with JSON, queries by GET, both response media types.

The GraphQL over HTTP specification, stage 2 draft; all audits of the graphql-http suite pass.
One operation a request: no batches, no multipart, no forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

import orjson

from domain.identity.access import Actor
from domain.identity.ports import Authenticator
from domain.installation import Installation
from ibiki.http.bearer import bearer_of, credential_of, headers_of
from ibiki.http.middleware import OPERATION
from ibiki.http.negotiation import EVENT_STREAM, RESPONSE_JSON, best_type, is_json
from ibiki.http.refusals import RequestRefused, respond
from resolvers.context import Context
from schema.engine import Answer, Engine, Operation, Rejected

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

ALLOW = (b"allow", b"GET, POST")
ANONYMOUS_BYTES = 64 * 1024
SMALL_BYTES = 64 * 1024
MOST_BRACKETS = 200_000
MOST_COMMAS = 1_000_000


@dataclass(frozen=True, slots=True)
class GraphQLParameters:
    """One request's parameters, of the right shape."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class EventRequest:
    """A request that is to be answered as server-sent events."""

    parameters: GraphQLParameters
    context: Context
    credential: str | None
    scope: Scope


class Events(Protocol):
    """Answers as server-sent events: `ibiki.live.sse`."""

    async def __call__(self, request: EventRequest, receive: Receive, send: Send) -> None:
        """Answers until it is complete, or either side goes away."""
        ...


class GraphQLOverHttp:
    """The ASGI application behind /graphql."""

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Raises RequestRefused for what is no GraphQL request."""
        headers = headers_of(scope)
        media_type = best_type(headers.get(b"accept", b"").decode("latin-1"))
        if media_type is None:
            raise RequestRefused(406, "Answers are application/graphql-response+json or JSON.")
        method = scope["method"]
        if method == "POST":
            actor = await bearer_of(self.authenticator, headers)
            parameters = read_json_body(await _read_body(headers, receive, actor))
        elif method == "GET":
            actor = await bearer_of(self.authenticator, headers)
            parameters = read_query_string(scope["query_string"])
        else:
            raise RequestRefused(405, "GraphQL is asked by POST or GET.", headers=[ALLOW])
        context = Context(self.installation, actor, _address(scope), scope["state"]["request_id"])
        if media_type == EVENT_STREAM:
            await self._stream_events(
                EventRequest(parameters, context, credential_of(headers), scope), receive, send
            )
            return
        answer = await self._answer(parameters, context, scope)
        # The older media type tells failures by the body alone.
        refused = media_type == RESPONSE_JSON and not answer.executed
        body = orjson.dumps(answer.body)
        await respond(send, 400 if refused else 200, body, content_type=media_type)

    async def _stream_events(self, request: EventRequest, receive: Receive, send: Send) -> None:
        if self.events is None:
            raise RequestRefused(406, "Nothing is told as events here.")
        await self.events(request, receive, send)

    async def _answer(
        self, parameters: GraphQLParameters, context: Context, scope: Scope
    ) -> Answer:
        try:
            operation = self.engine.find(parameters.query, parameters.operation_name)
        except Rejected as rejected:
            return self.engine.rejection(rejected.errors, context.request_id)
        if operation.kind == "subscription":
            raise RequestRefused(
                400, "Subscriptions are answered over a websocket, or as text/event-stream."
            )
        check_method(operation, scope["method"])
        scope["state"][OPERATION] = operation.title
        return await self.engine.execute(operation, parameters.variables, context)


def read_json_body(body: bytes) -> GraphQLParameters:
    """The parameters of a JSON body. Raises RequestRefused."""
    if len(body) > SMALL_BYTES:
        _check_density(body)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RequestRefused(400, "The body is not JSON (in UTF-8).") from None
    if isinstance(given, list):
        raise RequestRefused(400, "One operation a request: batches are not answered.")
    if not isinstance(given, dict):
        raise RequestRefused(400, "The body is not a JSON object.")
    return parameters_of(given)


def read_query_string(query_string: bytes) -> GraphQLParameters:
    """The parameters of a URL. Raises RequestRefused."""
    given: dict[str, Any] = split_query_string(query_string)
    for name in ("variables", "extensions"):
        if given.get(name):
            try:
                given[name] = orjson.loads(given[name])
            except orjson.JSONDecodeError:
                raise RequestRefused(400, f"{name} is not JSON.") from None
        else:
            given.pop(name, None)
    return parameters_of(given)


def split_query_string(query_string: bytes) -> dict[str, str]:
    """Names and values of a URL's query. Raises RequestRefused for a name that stands twice."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError:
        raise RequestRefused(400, "The URL's query cannot be read.") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise RequestRefused(400, "A parameter stands twice in the URL.")
    return given


def parameters_of(given: dict[str, Any]) -> GraphQLParameters:
    """The parameters of an object. Raises RequestRefused."""
    query = given.get("query")
    if not isinstance(query, str):
        raise RequestRefused(400, "query is missing: a GraphQL document as a string.")
    operation_name = given.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise RequestRefused(400, "operationName is a string, if it is given.")
    for name in ("variables", "extensions"):
        if not isinstance(given.get(name), (dict, type(None))):
            raise RequestRefused(400, f"{name} is an object, if it is given.")
    return GraphQLParameters(query, given.get("variables"), operation_name)


def _check_density(body: bytes) -> None:
    """Refuses a body that would become far larger in memory than any real one does."""
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS or body.count(b",") > MOST_COMMAS:
        raise RequestRefused(413, "The body holds too many values.")


def check_method(operation: Operation, method: str) -> None:
    """Raises RequestRefused for a change that is asked for by GET."""
    if operation.kind == "mutation" and method != "POST":
        raise RequestRefused(405, "Mutations are asked by POST.", headers=[(b"allow", b"POST")])


async def _read_body(
    headers: Mapping[bytes, bytes], receive: Receive, actor: Actor | None
) -> bytes:
    if not is_json(headers.get(b"content-type", b"").decode("latin-1")):
        raise RequestRefused(415, "The body is application/json, in UTF-8.")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RequestRefused(415, "The body is not compressed.")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(400, "The body is incomplete.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if actor is None and size > ANONYMOUS_BYTES:
            raise RequestRefused(
                413, f"Who has not signed in sends {ANONYMOUS_BYTES} bytes at most."
            )
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
