"""`GET /statements/{clientId}.csv`: a client's transfers with the running balance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain import ids
from domain.errors import InvalidInput
from domain.identity.access import require
from domain.identity.ports import Authenticator
from domain.ids import Kind
from domain.ledger.ports import LedgerArchive
from domain.ledger.statement import StatementFilter, StatementLine
from domain.ledger.statement_export import export_statement, period_of
from ibiki.http.csv_files import csv_response
from ibiki.http.requests import bearer_of, headers_of, http_refusals

PATH = "/statements/{client_id}.csv"
COLUMNS = (
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


class Statements:
    """The endpoint: for the client itself, the supervisor of its group, and admins."""

    def __init__(self, store: LedgerArchive, authenticator: Authenticator) -> None:
        self._store = store
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [Route(PATH, self.answer, methods=["GET"])]

    async def answer(self, request: Request) -> Response:
        """Streams the file. Raises RequestRefused before the first byte."""
        actor = await bearer_of(self._authenticator, headers_of(request.scope))
        with http_refusals():
            require(actor)
            client_id = ids.decode(Kind.CLIENT, request.path_params["client_id"])
            period = _period_of(request.query_params)
            pages = export_statement(self._store, actor, client_id, period)
            first = await anext(pages)
        name = f"statement-{request.path_params['client_id']}.csv"
        return csv_response(name, COLUMNS, first, pages, statement_rows)


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


def _period_of(given: Mapping[str, str]) -> StatementFilter:
    """Raises InvalidInput, also for other names: a misspelt one would export everything."""
    for name in given:
        if name not in ("from", "to"):
            raise InvalidInput(f"{name} is unknown: use from or to.")
    return period_of(given.get("from"), given.get("to"))
