"""CSV files: the UNKNOWN messages for an admin, and the statement of a client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

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
from domain.ledger.ports import LedgerArchive
from domain.ledger.statement import StatementLine
from domain.ledger.statement_export import export_statement, period_of
from domain.times import in_utc
from ibiki.http.csv_files import csv_response
from ibiki.http.requests import bearer_of, headers_of, http_refusals

UNKNOWNS_PATH = "/exports/unknown-messages"
UNKNOWN_COLUMNS = (
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
STATEMENT_PATH = "/statements/{client_id}.csv"
STATEMENT_COLUMNS = (
    "created_at",
    "kind",
    "description",
    "amount",
    "balance",
    "unit",
    "rate_per_unit_usd",
    "value_usd",
    "send_id",
    "transfer_id",
)


class ExportStore(Settling, LedgerArchive, Protocol):
    """What is exported."""


class Exports:
    """The endpoints. Each raises RequestRefused before the first byte of its file."""

    def __init__(self, store: ExportStore, authenticator: Authenticator) -> None:
        self._store = store
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [
            Route(UNKNOWNS_PATH, self.unknowns, methods=["GET"]),
            Route(STATEMENT_PATH, self.statement, methods=["GET"]),
        ]

    async def unknowns(self, request: Request) -> Response:
        """`GET /exports/unknown-messages`, for admins."""
        actor = await bearer_of(self._authenticator, headers_of(request.scope))
        with http_refusals():
            actor = require(actor, Role.ADMIN)
            pages = export_unknowns(self._store, actor, filter_of(request.query_params))
            first = await anext(pages)
        return csv_response("unknown-messages.csv", UNKNOWN_COLUMNS, first, pages, unknown_rows)

    async def statement(self, request: Request) -> Response:
        """`GET /statements/{clientId}.csv`, for the client, its supervisor and admins."""
        actor = await bearer_of(self._authenticator, headers_of(request.scope))
        given = request.query_params
        with http_refusals():
            require(actor)
            client_id = ids.decode(Kind.CLIENT, request.path_params["client_id"])
            _check_names(given, "from", "to")
            period = period_of(given.get("from"), given.get("to"))
            pages = export_statement(self._store, actor, client_id, period)
            first = await anext(pages)
        name = f"statement-{request.path_params['client_id']}.csv"
        return csv_response(name, STATEMENT_COLUMNS, first, pages, statement_rows)


def _check_names(given: Mapping[str, str], *known: str) -> None:
    """Raises InvalidInput for other parameters: a misspelt one would export everything."""
    for name in given:
        if name not in known:
            words = f"{', '.join(known[:-1])} or {known[-1]}"
            raise InvalidInput(f"{name} is unknown: use {words}.")


def filter_of(given: Mapping[str, str]) -> UnknownFilter:
    """The filter of the parameters `sendId`, `clientId` and `attemptedBefore`.

    Raises NotFound, and InvalidInput.
    """
    _check_names(given, "sendId", "clientId", "attemptedBefore")
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


def statement_rows(lines: Sequence[StatementLine]) -> Iterator[tuple[object, ...]]:
    """The cells of each line. `amount` is negative if units left the account."""
    for line in lines:
        yield (
            line.created_at.isoformat(),
            line.kind.value,
            line.description,
            line.amount,
            line.balance_after,
            line.unit,
            line.rate_per_unit_usd,
            line.value_usd,
            ids.encode(Kind.SEND, line.send_id) if line.send_id else None,
            ids.encode(Kind.TRANSFER, line.id),
        )


def time_of(text: str, *, name: str) -> datetime:
    """The time, which must name its zone: a wrong one would settle the wrong messages.

    `name`: of the parameter. Raises InvalidInput.
    """
    try:
        # In a URL, a plus that is not encoded is a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if moment.tzinfo is not None:
            return in_utc(moment)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"{name} must be a time such as 2026-11-20T08:30:00Z.")
