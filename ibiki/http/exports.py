"""`GET /exports/unknown-messages`: UNKNOWN messages as CSV, to compare with the provider's log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain import ids
from domain.dispatch.messages import UnknownFilter, UnknownMessage
from domain.dispatch.ports import Settling
from domain.dispatch.settle import export_unknowns
from domain.errors import InvalidInput
from domain.identity.access import Role, require
from domain.identity.ports import Authenticator
from domain.ids import Kind
from domain.times import in_utc
from ibiki.http.csv_files import csv_response
from ibiki.http.requests import bearer_of, headers_of, http_refusals

PATH = "/exports/unknown-messages"
COLUMNS = (
    "message_id",
    "send_id",
    "client_id",
    "client",
    "number",
    "text",
    "accepted_at",
    "attempted_at",
    "provider",
    "charged",
    "unit",
    "attempt",
    "messages_in_call",
    "detail",
)


class Exports:
    """The endpoint, for admins only."""

    def __init__(self, store: Settling, authenticator: Authenticator) -> None:
        self._store = store
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [Route(PATH, self.answer, methods=["GET"])]

    async def answer(self, request: Request) -> Response:
        """Streams the file. Raises RequestRefused before the first byte."""
        actor = await bearer_of(self._authenticator, headers_of(request.scope))
        with http_refusals():
            actor = require(actor, Role.ADMIN)
            pages = export_unknowns(self._store, actor, filter_of(request.query_params))
            first = await anext(pages)
        return csv_response("unknown-messages.csv", COLUMNS, first, pages, unknown_rows)


def filter_of(given: Mapping[str, str]) -> UnknownFilter:
    """The filter of the parameters `sendId`, `clientId` and `attemptedBefore`.

    Raises NotFound. Raises InvalidInput for other names: a misspelt one would export everything.
    """
    for name in given:
        if name not in ("sendId", "clientId", "attemptedBefore"):
            raise InvalidInput(f"{name} is unknown: use sendId, clientId or attemptedBefore.")
    send_id, client_id = given.get("sendId"), given.get("clientId")
    before = given.get("attemptedBefore")
    return UnknownFilter(
        send_id=ids.decode(Kind.SEND, send_id) if send_id else None,
        client_id=ids.decode(Kind.CLIENT, client_id) if client_id else None,
        attempted_before=time_of(before, name="attemptedBefore") if before else None,
    )


def unknown_rows(messages: Iterable[UnknownMessage]) -> Iterator[tuple[object, ...]]:
    """The cells of each message."""
    return map(_cells, messages)


def _cells(message: UnknownMessage) -> tuple[object, ...]:
    return (
        ids.encode(Kind.MESSAGE, message.id),
        ids.encode(Kind.SEND, message.send_id),
        ids.encode(Kind.CLIENT, message.client_id),
        message.client_name,
        message.number.removeprefix("+"),  # with a plus, it would be a formula
        message.text,
        message.accepted_at.isoformat(),
        message.attempted_at.isoformat(),
        message.provider,
        message.charged,
        message.unit,
        message.attempt_id,
        message.messages_in_call,
        message.detail or "",
    )


def time_of(text: str, *, name: str) -> datetime:
    """The time, which must name its zone: a wrong one would settle the wrong messages.

    `name`: of the parameter. Raises InvalidInput.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return in_utc(moment)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"{name} must be a time such as 2026-11-20T08:30:00Z.")
