"""The routes of the REST API: who asks, the checked request, then one operation."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refusal
from domain.identity.access import Actor, require
from domain.identity.ports import Authenticator
from domain.installation import Installation
from domain.long_work import SpacedWork
from ibiki.http.graphql_http import SMALL_BYTES, check_density, read_body, split_query_string
from ibiki.http.middleware import ROUTE
from ibiki.http.requests import bearer_of, headers_of, idempotency_key_of, json_of
from ibiki.http.rest.endpoints import ENDPOINTS, Endpoint
from ibiki.http.rest.errors import invalid, refused
from ibiki.http.rest.openapi import export_openapi
from ibiki.http.rest.operations import RestCall

OPENAPI_PATH = "/api/openapi.json"


class Rest:
    """The REST API."""

    def __init__(self, installation: Installation, authenticator: Authenticator) -> None:
        self._installation = installation
        self._authenticator = authenticator
        self._openapi = export_openapi().encode()
        self._large_bodies = SpacedWork()

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [
            Route(OPENAPI_PATH, self.describe, methods=["GET"]),
            *(
                Route(each.path, partial(self.answer, each), methods=[each.method])
                for each in ENDPOINTS
            ),
        ]

    async def describe(self, _request: Request) -> Response:
        """The OpenAPI document. It is public, as it is in the repository."""
        return Response(self._openapi, media_type="application/json")

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """Answers one request. Raises RequestRefused."""
        request.scope["state"][ROUTE] = endpoint.path
        actor = await bearer_of(self._authenticator, headers_of(request.scope))
        try:
            endpoint.access.check(actor)
            call = await self._call(endpoint, request, require(actor))
            answer = await endpoint.run(call)
        except Refusal as refusal:
            name = getattr(endpoint.body, "text_name", "message")
            raise refused(refusal, text_name=name) from None
        return Response(answer.model_dump_json(by_alias=True), media_type="application/json")

    async def _call(self, endpoint: Endpoint, request: Request, actor: Actor) -> RestCall:
        query = split_query_string(request.scope["query_string"])
        checked = _checked(endpoint.query, query, whole="valid")
        body = None
        if endpoint.body is not None:
            given = await read_body(headers_of(request.scope), request.receive, actor)
            if len(given) > SMALL_BYTES:
                body = await self._large_bodies.run(partial(_body_of, endpoint.body, given))
            else:
                body = _body_of(endpoint.body, given)
        key = idempotency_key_of(request.scope)
        return RestCall(self._installation, actor, key, body, checked, request.path_params)


def _body_of(model: type[BaseModel], body: bytes) -> BaseModel:
    """The values of a JSON body. Raises RequestRefused."""
    if len(body) > SMALL_BYTES:
        check_density(body)
    return _checked(model, json_of(body), whole=_shape(model))


def _checked(model: type[BaseModel], given: Any, *, whole: str) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error, whole=whole) from None


def _shape(model: type[BaseModel]) -> str:
    return "an array of objects" if "root" in model.model_fields else "an object"
