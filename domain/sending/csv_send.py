"""Sending to the rows of an upload: read into recipients and texts, it is a send like any other.

The text is the same for all rows, has {{column}} placeholders, or is in a column of the file. A row
without a valid number or a value is listed by its line. A text that cannot be sent refuses the
whole request, as in bulkSendMulti; so does a file that cannot be read to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from domain.errors import InvalidText, Refusal, TooManyRecipients
from domain.identity.access import Actor, OfClient, Payer
from domain.long_work import in_thread
from domain.rejections import RejectedRecipient
from domain.sending.files.layout import Layout, column_named
from domain.sending.files.row_texts import (
    MissingValue,
    RowText,
    columns_of_placeholders,
    text_in_column,
    text_with_placeholders,
)
from domain.sending.files.table import number_cell, table_rows
from domain.sending.files.uploads import opened
from domain.sending.messages import FileColumns, Send, SendKind
from domain.sending.quotes import payer_or_problem, price_of
from domain.sending.send import SendRequest, accept_request, find_recipients, key_by, options_of
from domain.sending.templates import find_by_name
from domain.sending.text import Encoding, check_text

if TYPE_CHECKING:
    from domain.installation import Installation

_CHUNK = 256
"""Rows that are in memory at once: their other cells can be long."""

_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class CsvOrder:
    """What to send, and which columns of the file to use.

    One of `text`, `text_column` and `template`, the name of a saved text. `column`: of the numbers;
    None to choose it by its name.
    `allow_missing_values`: send also if a placeholder's cell is empty. `send_at`: with a time zone;
    None for now. `ignore_quiet_hours`: send also where it is quiet.
    """

    text: str | None = None
    column: str | None = None
    text_column: str | None = None
    allow_missing_values: bool = False
    send_at: datetime | None = None
    ignore_quiet_hours: bool = False
    template: str | None = None


@dataclass(frozen=True, slots=True)
class TextSample:
    """The text for one row of a file."""

    line: int
    number: str
    text: str


@dataclass(frozen=True, slots=True)
class CsvQuote:
    """What csvSend would do and cost."""

    accepted: int
    rejected: Sequence[RejectedRecipient]
    rejected_count: int
    columns: FileColumns
    samples: Sequence[TextSample]
    cost: int
    balance: int
    affordable: bool
    problem: Refusal | None
    held: int = 0
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the rows of a file are read. `text_of`: None if the text is the same for all."""

    layout: Layout
    number_column: int
    text_of: RowText | None
    columns: FileColumns


async def csv_send(
    installation: Installation,
    actor: Actor,
    upload_id: UUID | None,
    order: CsvOrder,
    *,
    key: str | None,
) -> Send:
    """Accepts a message for each row of an upload of the actor's client."""
    given: list[object] = [str(upload_id), order.text, order.column, order.text_column]
    given += [True] * order.allow_missing_values
    options = options_of(order.send_at, ignore_quiet_hours=order.ignore_quiet_hours)
    if order.template is not None:
        options["template"] = order.template
    if options:
        given.append(options)
    keyed = key_by(actor, key, "csvSend", given)
    columns: FileColumns | None = None  # stays None if a repeated request finds no upload

    async def read(payer: Payer) -> SendRequest:
        nonlocal columns
        request, columns = await _read_request(installation, payer, upload_id, order)
        return request

    send = await accept_request(installation, actor, keyed, read)
    return replace(send, columns=columns)


async def quote_csv(
    installation: Installation, actor: Actor, upload_id: UUID | None, order: CsvOrder
) -> CsvQuote:
    """What csvSend would do and cost, without doing it.

    Raises what csvSend raises if the file, the columns or the texts cannot be used.
    """
    payer, problem = payer_or_problem(actor)
    request, columns = await _read_request(installation, payer, upload_id, order)
    recipients = await find_recipients(installation, payer, request)
    price = await price_of(installation, actor, payer, request, recipients, problem)
    firsts = zip(recipients.positions[:_SAMPLES], recipients.numbers, strict=False)
    return CsvQuote(
        accepted=len(recipients.numbers),
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        columns=columns,
        samples=[_sample(request, at, number) for at, number in firsts],
        cost=price.cost,
        balance=price.balance,
        affordable=price.balance >= price.cost,
        problem=price.problem,
        held=price.schedule.held,
        held_until=price.schedule.last_held_until,
    )


def _sample(request: SendRequest, at: int, number: str) -> TextSample:
    text = request.text if request.texts is None else request.texts[at]
    return TextSample(request.lines[at] if request.lines else 0, number, text or "")


async def _read_request(
    installation: Installation, payer: Payer, upload_id: UUID | None, order: CsvOrder
) -> tuple[SendRequest, FileColumns]:
    """The recipients and texts of a file. Raises InvalidText, InvalidFile, TooManyRecipients."""
    most_segments = installation.limits.segments
    order = await _with_text(installation, payer, order)
    async with opened(installation, OfClient(payer.client_id), upload_id) as (upload, file):
        reading = _reading_of(upload.layout, order, most_segments=most_segments)
        if reading.text_of is None:
            check_text(order.text or "", most_segments=most_segments)
        if upload.layout.rows > installation.limits.recipients:
            raise TooManyRecipients(installation.limits.recipients)
        request = await in_thread(partial(_read, file, reading, installation))
    request = replace(request, send_at=order.send_at, ignore_quiet_hours=order.ignore_quiet_hours)
    if reading.text_of is None:
        request = replace(request, text=order.text, texts=None)
    return request, reading.columns


async def _with_text(installation: Installation, payer: Payer, order: CsvOrder) -> CsvOrder:
    """The order with the text of its template. Raises InvalidText, NotFound."""
    if order.template is None:
        return order
    if order.text is not None or order.text_column is not None:
        raise InvalidText("Give one of text, textColumn and template, and not several.")
    scope = OfClient(payer.client_id)
    found = await find_by_name(installation.store, scope, [order.template])
    return replace(order, text=found[order.template].text)


def _reading_of(layout: Layout, order: CsvOrder, *, most_segments: int) -> _Reading:
    """Raises InvalidText and InvalidFile if the order does not fit the file."""
    columns = layout.columns
    text_of = _row_text(columns, order, most_segments=most_segments)
    if order.column is None:
        number_column = layout.number_column
    else:
        number_column = column_named(order.column, columns)
    text_column = order.text_column
    return _Reading(
        layout,
        number_column,
        text_of,
        FileColumns(
            number=columns[number_column],
            text=None if text_column is None else columns[column_named(text_column, columns)],
            placeholders=columns_of_placeholders(order.text or "", columns),
            sheet=layout.sheet,
        ),
    )


def _row_text(columns: Sequence[str], order: CsvOrder, *, most_segments: int) -> RowText | None:
    longest = 2 * Encoding.GSM7.capacity(most_segments)  # placeholders can be long
    if len(order.text or "") > longest:
        raise InvalidText(
            f"The text has more than {longest:,} characters, placeholders included. Shorten it."
        )
    if order.text is not None and order.text_column is not None:
        raise InvalidText("Give either text or textColumn, and not both.")
    if order.text_column is not None:
        return text_in_column(order.text_column, columns)
    if order.text is None:
        raise InvalidText(
            "Give a text, a template, or in textColumn the column that contains the texts."
        )
    return text_with_placeholders(order.text, columns, allow_missing=order.allow_missing_values)


def _read(file: BinaryIO, reading: _Reading, installation: Installation) -> SendRequest:
    """All rows. Checks the texts of those with a valid number: raises InvalidText."""
    normaliser, most_segments = installation.normaliser, installation.limits.segments
    to: list[str] = []
    texts: list[str] = []
    lines: list[int] = []
    missing: dict[int, str] = {}
    rows = table_rows(file, reading.layout)
    while chunk := list(islice(rows, _CHUNK)):
        written = [number_cell(row, reading.number_column, reading.layout) for row in chunk]
        start = len(to)
        to += written
        lines += [row.line for row in chunk]
        if reading.text_of is None:
            continue
        numbers = normaliser.normalise_many(written)
        for at, (row, number) in enumerate(zip(chunk, numbers, strict=True), start):
            text = ""
            try:
                text = reading.text_of(row.cells) if number else ""
            except MissingValue as error:
                missing[at] = str(error)
            if number and at not in missing:
                _check_text_of(text, row.line, most_segments)
            texts.append(text)
    return SendRequest(SendKind.CSV, to, texts=texts, lines=lines, missing=missing)


def _check_text_of(text: str, line: int, most_segments: int) -> None:
    try:
        check_text(text, most_segments=most_segments)
    except InvalidText as refused:
        raise InvalidText(f"Line {line}: {refused}", path=None) from None
