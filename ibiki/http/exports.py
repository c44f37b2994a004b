"""`GET /exports/unknown-messages`: UNKNOWN messages as CSV, to compare with the provider's log."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from domain.dispatch.messages import UnknownFilter, UnknownMessage
from domain.dispatch.ports import Settling
from domain.dispatch.settle import export_unknowns
from domain.errors import InvalidInput, NotFound, Refusal, TryAgain
from domain.identity.access import Role, require
from domain.identity.ports import Authenticator
from ibiki.http.bearer import bearer_of, headers_of, try_again
from ibiki.http.refusals import RequestRefused
from resolvers import ids
from resolvers.ids import Kind

PATH = "/exports/unknown-messages"
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
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
        try:
            actor = require(actor, Role.ADMIN)
            pages = export_unknowns(self._store, actor, filter_of(request.query_params))
            first = await anext(pages)
        except TryAgain as refusal:
            raise try_again(refusal) from None
        except Refusal as refusal:
            status = 404 if isinstance(refusal, NotFound) else STATUS.get(refusal.code, 400)
            raise RequestRefused(status, str(refusal), code=refusal.code) from None
        return StreamingResponse(
            _lines(first, pages),
            media_type="text/csv; charset=utf-8",
            headers={
                "content-disposition": 'attachment; filename="unknown-messages.csv"',
                "cache-control": "no-store",
            },
        )


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
        attempted_before=_time_of(before) if before else None,
    )


def csv_of(messages: Iterable[UnknownMessage], *, header: bool = False) -> str:
    """Lines of the file. No cell can be read as a formula by a spreadsheet."""
    written = io.StringIO()
    writer = csv.writer(written)
    if header:
        writer.writerow(COLUMNS)
    writer.writerows([safe_cell(str(cell)) for cell in _cells(each)] for each in messages)
    return written.getvalue()


def safe_cell(text: str) -> str:
    """The text, after an apostrophe if a spreadsheet would read it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


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


async def _lines(
    first: Sequence[UnknownMessage], others: AsyncIterator[Sequence[UnknownMessage]]
) -> AsyncIterator[str]:
    yield csv_of(first, header=True)
    async for page in others:
        yield csv_of(page)


def _time_of(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise InvalidInput("attemptedBefore must be a time such as 2026-11-20T08:30:00Z.")
    return moment
