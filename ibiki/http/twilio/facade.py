"""The Twilio-compatible API: finds the operation of a request, and its actor."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from domain.errors import NotFound, Refusal
from domain.identity.access import Actor, Role, own_scope, require
from domain.identity.ports import Authenticator
from domain.ids import SidKind, sid_of
from domain.installation import Installation
from ibiki.http.graphql_http import read_bytes, split_query_string
from ibiki.http.middleware import ROUTE
from ibiki.http.requests import (
    TWILIO,
    RequestRefused,
    actor_of,
    bearer_of,
    headers_of,
    idempotency_key_of,
    respond,
)
from ibiki.http.twilio import forms, lists, operations
from ibiki.http.twilio.errors import refused
from ibiki.http.twilio.message_forms import KNOWN
from ibiki.http.twilio.operations import TwilioCall
from ibiki.http.twilio.resources import Resource, find_own
from resolvers.context import Access

USERS = Access((Role.SUPERVISOR, Role.CLIENT), account=True)
FORM_METHOD = "POST"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. `names`: of the fields of its form, or of its URL's parameters."""

    run: Callable[[TwilioCall], Awaitable[Resource | None]]
    status: int = 200
    names: frozenset[str] = frozenset()


PATHS: Mapping[str, Mapping[str, Endpoint]] = {
    "/Accounts.json": {
        "GET": Endpoint(operations.list_accounts, names=lists.PAGING | lists.ACCOUNT_FILTERS)
    },
    "/Accounts/{account}.json": {"GET": Endpoint(operations.fetch_account)},
    "/Accounts/{account}/Balance.json": {"GET": Endpoint(operations.fetch_balance)},
    "/Accounts/{account}/Messages.json": {
        "GET": Endpoint(operations.list_messages, names=lists.PAGING | lists.MESSAGE_FILTERS),
        FORM_METHOD: Endpoint(operations.create_message, 201, names=KNOWN),
    },
    "/Accounts/{account}/Messages/{message}.json": {
        "GET": Endpoint(operations.fetch_message),
        FORM_METHOD: Endpoint(operations.update_message, names=operations.UPDATES),
        "DELETE": Endpoint(operations.delete_message, 204),
    },
}
_PATTERNS = [
    (re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path.replace(".", r"\."))), path)
    for path in PATHS
]


class TwilioFacade:
    """All paths under /2010-04-01. Its own table of paths: a wrong one gets an error in JSON, and
    no path is redirected."""

    def __init__(self, installation: Installation, authenticator: Authenticator) -> None:
        self._installation = installation
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """The route of the application."""
        return [Route(f"{TWILIO}{{rest:path}}", self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Raises RequestRefused."""
        endpoint, places = _find(scope)
        try:
            call = await self._call(endpoint, places, scope, receive)
            resource = await endpoint.run(call)
        except Refusal as refusal:
            raise refused(refusal) from None
        body = b"" if resource is None else orjson.dumps(resource)
        await respond(send, endpoint.status, body)

    async def _call(
        self, endpoint: Endpoint, places: Mapping[str, str], scope: Scope, receive: Receive
    ) -> TwilioCall:
        headers = headers_of(scope)
        actor = await caller_of(self._authenticator, headers)
        USERS.check(actor)
        actor = require(actor)
        own = await find_own(self._installation.store, own_scope(actor))
        # The SID of another client gets the same answer as one that does not exist.
        if places.get("account", own.sid) != own.sid:
            raise NotFound("account")
        query = split_query_string(scope["query_string"])
        form: Mapping[str, str] = {}
        if scope["method"] == FORM_METHOD:
            forms.check_names(query, frozenset())
            form = await _read_form(headers, receive)
            forms.check_names(form, endpoint.names)
        else:
            forms.check_names(query, endpoint.names)
        return TwilioCall(
            self._installation,
            actor,
            own,
            scope["path"],
            places.get("message"),
            form,
            query,
            idempotency_key_of(scope),
            self._installation.auth_tokens.signing(own.client),
        )


async def _read_form(headers: Mapping[bytes, bytes], receive: Receive) -> Mapping[str, str]:
    body = await read_bytes(headers, receive, most=forms.MOST_BYTES, why=forms.TOO_LARGE)
    if body:  # a POST without fields may have no type
        forms.check_type(headers.get(b"content-type", b"").decode("latin-1"))
    return forms.read_form(body)


def _find(scope: Scope) -> tuple[Endpoint, Mapping[str, str]]:
    """The endpoint of a request, and the parts of its path. Raises RequestRefused."""
    inner = scope["path"].removeprefix(TWILIO)
    for pattern, path in _PATTERNS:
        if match := pattern.fullmatch(inner):
            scope["state"][ROUTE] = TWILIO + path
            methods = PATHS[path]
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            if method not in methods:
                allow = [(b"allow", ", ".join(["HEAD", *methods]).encode())]
                raise RequestRefused(405, "This method is not allowed.", headers=allow)
            return methods[method], match.groupdict()
    raise RequestRefused(404, "Not found.")


async def caller_of(authenticator: Authenticator, headers: Mapping[bytes, bytes]) -> Actor | None:
    """The actor; None without a valid credential. Raises RequestRefused."""
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return await bearer_of(authenticator, headers)
    name, _, secret = _decoded(given).partition(":")
    actor = await actor_of(authenticator, secret) if secret else None
    return actor if actor is not None and name in _names_of(actor) else None


def _names_of(actor: Actor) -> set[str]:
    """The user names that its API key may be used with: the account's SID and the key's own."""
    if actor.expires_at is not None or actor.client_id is None:  # a session, or no account
        return set()
    return {sid_of(SidKind.ACCOUNT, actor.client_id), sid_of(SidKind.KEY, actor.credential_id)}


def _decoded(given: bytes) -> str:
    """The user name and the password; an empty text for anything that is not base64."""
    try:
        return base64.b64decode(given.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
