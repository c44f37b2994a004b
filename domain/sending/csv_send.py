"""Sending to the rows of an upload: read into recipients and texts, it is a send like any other.

The text is the same for all rows, has {{column}} placeholders, or is in a column of the file. A row
without a valid number or a value is listed by its line. If a text cannot be sent, the whole request
is refused, as in bulkSendMulti; also if the file cannot be read to its end.

A file of more rows than other sends may have becomes a job: see `file_job`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from domain.errors import (
    InvalidText,
    NoValidRecipients,
    Refusal,
    TooManyRecipients,
)
from domain.identity.access import Actor, OfClient, Payer
from domain.ledger.idempotency import IdempotencyKey
from domain.sending.csv_order import CsvOrder, RowFormat, row_format_of
from domain.sending.file_job import MOST_SAMPLES, CheckedFile, TextSample, check_file, read_file
from domain.sending.files.row_texts import check_brackets, check_closed
from domain.sending.files.table import Upload
from domain.sending.files.uploads import find_upload, opened
from domain.sending.messages import FileColumns, NewSend, Send, SendKind
from domain.sending.quotes import (
    HeldMessages,
    PricedSend,
    check_recipients,
    payer_or_problem,
    priced,
)
from domain.sending.recipients import Reservation
from domain.sending.send import (
    SendRequest,
    accept_checked,
    check_rate,
    check_request,
    find_recipients,
    key_by,
    options_of,
)
from domain.sending.text import find_by_name

if TYPE_CHECKING:
    from domain.installation import Installation


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvQuote(PricedSend):
    """What csvSend would do and cost."""

    columns: FileColumns
    samples: Sequence[TextSample]


async def csv_send(
    installation: Installation,
    actor: Actor,
    upload_id: UUID | None,
    order: CsvOrder,
    *,
    key: str | None,
) -> Send:
    """Accepts a message for each row of an upload of the actor's client."""
    keyed = _key(actor, upload_id, order, key)
    columns: FileColumns | None = None  # stays None if a repeated request finds no upload

    async def check(payer: Payer, memory: Reservation) -> NewSend:
        nonlocal columns
        upload, filled = await _found(installation, payer, upload_id, order)
        if _is_large(installation, upload):
            new_send, columns = await _send_large(installation, actor, payer, upload, filled, keyed)
            return new_send
        request, columns = await _read_request(installation, payer, upload, filled)
        return await check_request(installation, actor, payer, request, keyed, memory)

    send = await accept_checked(installation, actor, keyed, check)
    return replace(send, columns=columns)


async def quote_csv(
    installation: Installation, actor: Actor, upload_id: UUID | None, order: CsvOrder
) -> CsvQuote:
    """What csvSend would do and cost, without doing it.

    Raises what csvSend raises if the file, the columns or the texts cannot be used.
    """
    payer, problem = payer_or_problem(actor)
    upload, order = await _found(installation, payer, upload_id, order)
    if _is_large(installation, upload):
        return await _quote_large(installation, actor, payer, problem, upload, order)
    request, columns = await _read_request(installation, payer, upload, order)
    recipients = await find_recipients(installation, payer, request)
    check = partial(check_recipients, installation, payer, request, recipients)
    firsts = zip(recipients.positions[:MOST_SAMPLES], recipients.numbers, strict=False)
    unpriced = partial(
        CsvQuote,
        rejected=recipients.rejected,
        rejected_count=recipients.rejected_count,
        columns=columns,
        samples=[_sample(request, at, number) for at, number in firsts],
    )
    accepted = len(recipients.numbers)
    return await priced(unpriced, installation, actor, payer, accepted, check, problem)


async def _quote_large(
    installation: Installation,
    actor: Actor,
    payer: Payer,
    problem: Refusal | None,
    upload: Upload,
    order: CsvOrder,
) -> CsvQuote:
    async with _opened_large(installation, upload) as file:
        row_format = _row_format(installation, upload, order)
        checked = await check_file(installation, payer, upload, file, order)

    async def check() -> HeldMessages:
        _refuse(checked)
        return checked.rows.held, checked.rows.last_held_until

    unpriced = partial(
        CsvQuote,
        rejected=checked.rejected,
        rejected_count=checked.rejected_count,
        columns=row_format.columns,
        samples=checked.samples,
    )
    accepted = checked.rows.accepted
    return await priced(unpriced, installation, actor, payer, accepted, check, problem)


def _sample(request: SendRequest, at: int, number: str) -> TextSample:
    text = request.text if request.texts is None else request.texts[at]
    return TextSample(request.lines[at] if request.lines else 0, number, text or "")


def _key(
    actor: Actor, upload_id: UUID | None, order: CsvOrder, key: str | None
) -> IdempotencyKey | None:
    given: list[object] = [str(upload_id), order.text, order.column, order.text_column]
    given += [True] * order.allow_missing_values
    options = options_of(order.send_at, ignore_quiet_hours=order.ignore_quiet_hours)
    if order.template is not None:
        options["template"] = order.template
    if options:
        given.append(options)
    return key_by(actor, key, "csvSend", given)


async def _found(
    installation: Installation, payer: Payer, upload_id: UUID | None, order: CsvOrder
) -> tuple[Upload, CsvOrder]:
    """The upload, and the order with the text of its template. Raises InvalidText, NotFound."""
    scope = OfClient(payer.client_id)
    if order.template is not None:
        if order.text is not None or order.text_column is not None:
            raise InvalidText("Give one of text, textColumn and template, and not several.")
        found = await find_by_name(installation.store, scope, [order.template])
        order = replace(order, text=found[order.template].text)
    return await find_upload(installation, scope, upload_id), order


def _is_large(installation: Installation, upload: Upload) -> bool:
    limits = installation.limits
    return upload.layout.rows > min(limits.rows_at_once, limits.recipients)


def _row_format(installation: Installation, upload: Upload, order: CsvOrder) -> RowFormat:
    """Raises InvalidText, InvalidFile, TooManyRecipients."""
    check_closed(order.text or "")
    check_brackets(order.text or "", upload.layout.columns)
    row_format = row_format_of(upload.layout, order, most_segments=installation.limits.segments)
    if upload.layout.rows > installation.limits.rows:
        raise TooManyRecipients(installation.limits.rows)
    return row_format


async def _send_large(
    installation: Installation,
    actor: Actor,
    payer: Payer,
    upload: Upload,
    order: CsvOrder,
    key: IdempotencyKey | None,
) -> tuple[NewSend, FileColumns]:
    """The send whose messages a job will write."""
    async with _opened_large(installation, upload) as file:
        row_format = _row_format(installation, upload, order)
        checked = await check_file(installation, payer, upload, file, order)
    if checked.rows.accepted:
        check_rate(installation, payer.client_id)
    _refuse(checked)
    new_send = NewSend(
        id=checked.send_id,
        payer=payer,
        actor_id=actor.user_id,
        kind=SendKind.CSV,
        numbers=(),
        text=None if row_format.text_of else order.text,
        rejected=checked.rejected,
        rejected_count=checked.rejected_count,
        key=key,
        send_at=checked.send_at,
        rows=checked.rows,
        quiet_hours=None if order.ignore_quiet_hours else payer.quiet_hours,
    )
    return new_send, row_format.columns


def _refuse(checked: CheckedFile) -> None:
    """Raises NoValidRecipients, or InvalidInput, if the file cannot be sent."""
    if not checked.rows.accepted:
        raise NoValidRecipients(checked.rejected)
    if checked.refusal is not None:
        raise checked.refusal


@asynccontextmanager
async def _opened_large(installation: Installation, upload: Upload) -> AsyncIterator[BinaryIO]:
    """The file, while no other large one is read: what is remembered of each takes memory."""
    scope = OfClient(upload.client_id)
    async with (
        installation.file_limits.large_turn(upload.client_id),
        opened(installation, scope, upload.id) as (_, file),
    ):
        yield file


async def _read_request(
    installation: Installation, payer: Payer, upload: Upload, order: CsvOrder
) -> tuple[SendRequest, FileColumns]:
    """The recipients and texts of a file. Raises InvalidText, InvalidFile."""
    row_format = _row_format(installation, upload, order)
    async with opened(installation, OfClient(payer.client_id), upload.id) as (_, file):
        part = await read_file(installation, upload, file, order)
    request = SendRequest(
        SendKind.CSV,
        part.written,
        text=None if row_format.text_of else order.text,
        texts=part.texts if row_format.text_of else None,
        lines=part.lines,
        missing=part.missing,
        send_at=order.send_at,
        ignore_quiet_hours=order.ignore_quiet_hours,
        normalised=part.numbers,
    )
    return request, row_format.columns
