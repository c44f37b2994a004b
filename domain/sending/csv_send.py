"""Sending to the rows of an upload: read into recipients and texts, it is a send like others.

The text is one for all, one with {{column}} placeholders, or a column of the file. A row whose
number is not valid is listed by its line; a text that cannot be sent refuses the whole request, as
it does in bulkSendMulti, and so does a file that cannot be read to its end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from domain.errors import InvalidFile, InvalidText, TooManyRecipients
from domain.identity.access import Actor, OfClient, Payer
from domain.numbers import Normaliser
from domain.sending.files.keeping import opened
from domain.sending.files.layout import Layout, columns_in_words
from domain.sending.files.table import number_cell, table_rows
from domain.sending.files.wording import Wording, column_wording, place_of, wording_of
from domain.sending.send import SendRequest, accept_request, key_by
from domain.sending.sends import Send, SendKind
from domain.sending.text import Encoding, check_text

if TYPE_CHECKING:
    from domain.installation import Installation

_CHUNK = 256
"""Rows that are in memory at once; what is not asked for of them may be long."""


@dataclass(frozen=True, slots=True)
class CsvOrder:
    """What is to be sent, and where in the file it stands.

    Either `text` or `text_column`. `column`: of the numbers; told by content where it is None.
    """

    text: str | None = None
    column: str | None = None
    text_column: str | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the rows of a file are read. `wording`: None where all are told the same."""

    layout: Layout
    number_column: int
    wording: Wording | None


async def csv_send(
    installation: Installation,
    actor: Actor,
    upload_id: UUID | None,
    order: CsvOrder,
    *,
    key: str | None,
) -> Send:
    """Accepts a message for each row of an upload of the actor's."""
    given = [str(upload_id), order.text, order.column, order.text_column]
    keyed = key_by(actor, key, "csvSend", given)

    async def read(payer: Payer) -> SendRequest:
        async with opened(installation, OfClient(payer.client_id), upload_id) as (upload, file):
            return await _read_request(installation, upload.layout, file, order)

    return await accept_request(installation, actor, keyed, read)


async def _read_request(
    installation: Installation, layout: Layout, file: BinaryIO, order: CsvOrder
) -> SendRequest:
    limits = installation.limits
    reading = _reading_of(layout, order, most_segments=limits.segments)
    if reading.wording is None:
        check_text(order.text or "", most_segments=limits.segments)
    if layout.rows > limits.recipients:
        raise TooManyRecipients(limits.recipients)
    read = partial(_read, file, reading, installation.normaliser, most_segments=limits.segments)
    request = await asyncio.to_thread(read)
    return replace(request, text=order.text) if request.texts is None else request


def _reading_of(layout: Layout, order: CsvOrder, *, most_segments: int) -> _Reading:
    """Raises InvalidText and InvalidFile where the order and the file do not go together."""
    columns = layout.columns
    longest = 2 * Encoding.GSM7.capacity(most_segments)  # names are longer than what they stand for
    if len(order.text or "") > longest:
        raise InvalidText(
            f"The text has more than {longest:,} characters, placeholders included. Shorten it."
        )
    if order.text is not None and order.text_column is not None:
        raise InvalidText("Give either text or textColumn, and not both.")
    if order.text_column is not None:
        wording: Wording | None = column_wording(order.text_column, columns)
    elif order.text is not None:
        wording = wording_of(order.text, columns)
    else:
        raise InvalidText("Give a text, or in textColumn the column that the texts stand in.")
    if order.column is not None:
        return _Reading(layout, place_of(order.column, columns), wording)
    if layout.number_column is None:
        raise InvalidFile(
            f"No column of the file holds phone numbers. It has: {columns_in_words(columns)}."
        )
    return _Reading(layout, layout.number_column, wording)


def _read(
    file: BinaryIO, reading: _Reading, normaliser: Normaliser, *, most_segments: int
) -> SendRequest:
    """All rows: the texts of those with a valid number are checked. Raises InvalidText."""
    to: list[str] = []
    texts: list[str] = []
    lines: list[int] = []
    rows = table_rows(file, reading.layout)
    while chunk := list(islice(rows, _CHUNK)):
        written = [number_cell(row, reading.number_column, reading.layout) for row in chunk]
        to += written
        lines += [row.line for row in chunk]
        if reading.wording is None:
            continue
        for row, number in zip(chunk, normaliser.normalise_many(written), strict=True):
            text = reading.wording(row.cells) if number else ""
            if number:
                _check_text_of(text, row.line, most_segments)
            texts.append(text)
    told = None if reading.wording is None else texts
    return SendRequest(SendKind.CSV, to, texts=told, lines=lines)


def _check_text_of(text: str, line: int, most_segments: int) -> None:
    try:
        check_text(text, most_segments=most_segments)
    except InvalidText as refused:
        raise InvalidText(f"Line {line}: {refused}") from None
