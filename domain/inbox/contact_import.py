"""Contacts from a file: each row creates or changes them, all in one transaction.

The header decides which columns hold the numbers, the name and the business. A person with several
numbers becomes several contacts of the same name. An empty cell changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from domain.errors import InvalidFile, InvalidInput, NotFound, RejectedRecipient, RejectionReason
from domain.identity.access import Actor, own_scope
from domain.identity.directory import business_of
from domain.inbox.contact_columns import (
    ContactColumns,
    UsedColumns,
    contact_columns_of,
    used_columns,
)
from domain.inbox.contacts import contact_name_of
from domain.inbox.messages import ContactCard
from domain.long_work import in_file_thread
from domain.numbers import Normaliser
from domain.sending.files.csv_rows import Row
from domain.sending.files.layout import Layout
from domain.sending.files.table import has_slipped, number_cell, table_rows, value_in
from domain.sending.files.uploads import opened
from domain.sending.recipients import MOST_LISTED, rejected_recipient
from domain.transactions import changing

if TYPE_CHECKING:
    from domain.installation import Installation

_CHUNK = 256
"""Rows that are in memory at once: their other cells can be long."""

_SEVERAL = ":::"
"""Google separates several numbers in one cell by this."""

Rejected = tuple[str, RejectionReason, str | None]
"""What was given, the reason, and a sentence if the usual one is not enough."""


@dataclass(frozen=True, slots=True)
class ContactsImported:
    """How many contacts a file created and changed; those that it did not change are not counted.

    `rejected`: the first 1,000, by line.
    """

    created: int
    updated: int
    rejected: Sequence[RejectedRecipient]
    columns: UsedColumns


async def import_contacts(
    installation: Installation, actor: Actor, upload_id: UUID | None, *, column: str | None = None
) -> ContactsImported:
    """Contacts for the rows of an upload. Safe to repeat. Raises InvalidFile.

    `column`: the only one to read numbers from; None for all columns of phone numbers.
    """
    scope = own_scope(actor)
    try:
        async with opened(installation, scope, upload_id) as (upload, file):
            columns = contact_columns_of(upload.layout, column)
            if upload.layout.rows > installation.limits.recipients:
                raise InvalidFile(
                    f"At most {installation.limits.recipients:,} contacts can be imported at once."
                    " Split the file."
                )
            read = partial(read_cards, file, upload.layout, columns, installation.normaliser)
            cards, rejected = await in_file_thread(read)
    except NotFound as gone:
        raise InvalidFile(str(gone)) from None
    async with changing(installation.store) as tx:
        created, updated = await installation.store.save_contacts(tx, scope, cards)
    return ContactsImported(created, updated, rejected, used_columns(upload.layout, columns))


def read_cards(
    file: BinaryIO, layout: Layout, columns: ContactColumns, normaliser: Normaliser
) -> tuple[list[ContactCard], list[RejectedRecipient]]:
    """A card for each number, in order of number, and what was left out, by line."""
    cards: dict[str, ContactCard] = {}
    rejected: list[RejectedRecipient] = []
    rows = table_rows(file, layout)
    while chunk := list(islice(rows, _CHUNK)):
        written = [numbers_in(row, columns, layout) for row in chunk]
        numbers = iter(normaliser.normalise_many([raw for raws in written for raw in raws]))
        for row, raws in zip(chunk, written, strict=True):
            found = list(zip(raws, islice(numbers, len(raws)), strict=True))
            for raw, reason, message in _add_cards(cards, row, found, columns):
                if len(rejected) < MOST_LISTED:
                    rejected.append(rejected_recipient(raw, row.line, reason, message=message))
    return sorted(cards.values(), key=lambda card: card.number), rejected


def numbers_in(row: Row, columns: ContactColumns, layout: Layout) -> list[str]:
    """The numbers of a row as they are written; one empty text if it has none."""
    if has_slipped(row, layout):
        return [number_cell(row, 0, layout)]
    cells = (number_cell(row, at, layout) for at in columns.numbers)
    parts = (part.strip() for cell in cells for part in cell.split(_SEVERAL))
    return list(filter(None, parts)) or [""]


def _add_cards(
    cards: dict[str, ContactCard],
    row: Row,
    found: Sequence[tuple[str, str | None]],
    columns: ContactColumns,
) -> Iterator[Rejected]:
    """Adds the cards of a row. Yields the numbers that make no card."""
    texts = _texts_or_problem(row, columns)
    added: set[str] = set()
    for raw, number in found:
        if number is None:
            yield raw, RejectionReason.INVALID, None
        elif isinstance(texts, str):
            yield raw, RejectionReason.INVALID, texts
        elif number in cards and number not in added:
            yield raw, RejectionReason.DUPLICATE, "This number is in the file already."
        else:  # the same number twice in one row is one contact
            added.add(number)
            cards[number] = ContactCard(number, *texts)


def name_and_business(row: Row, columns: ContactColumns) -> tuple[str | None, str | None]:
    """The name and the business of a row. Raises InvalidInput."""
    businesses = [] if columns.business is None else [columns.business]
    return contact_name_of(_text(row, columns.names)), business_of(_text(row, businesses))


def _texts_or_problem(row: Row, columns: ContactColumns) -> tuple[str | None, str | None] | str:
    """The name and the business of a row, or what is wrong with them."""
    try:
        return name_and_business(row, columns)
    except InvalidInput as refused:
        return f"The name or the business: {refused}"


def _text(row: Row, columns: Sequence[int]) -> str:
    """The text of these cells, on one line."""
    return " ".join(" ".join(value_in(row.cells, at) for at in columns).split())
