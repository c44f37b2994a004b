"""Contacts from a file: whoever is in it is made or changed, all in one transaction.

The columns are told by their names; in a file without a header, by what stands in them. An empty
cell leaves what is there. What a file says twice of a number, it says once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from domain.errors import InvalidFile, InvalidInput, NotFound
from domain.identity.access import Actor, own_scope
from domain.identity.records import business_of
from domain.inbox.contact import ContactCard
from domain.inbox.contacts import contact_name_of
from domain.numbers import Normaliser
from domain.rejections import RejectedRecipient, RejectionReason
from domain.sending.files.keeping import opened
from domain.sending.files.layout import Layout, columns_in_words
from domain.sending.files.rows import Row
from domain.sending.files.table import number_cell, table_rows
from domain.sending.recipients import MOST_LISTED, rejected_recipient
from domain.transactions import changing

if TYPE_CHECKING:
    from domain.installation import Installation

_CHUNK = 256
"""Rows that are in memory at once; what is not asked for of them may be long."""
_BUSINESS = re.compile(r"business|company|organi[sz]ation|employer|firm|school|\borg\b")
_FIRST, _LAST = re.compile(r"first|given|fore"), re.compile(r"last|family|sur")
_NAME = re.compile(r"name|contact|person|customer|pupil|student|parent")


@dataclass(frozen=True, slots=True)
class ContactsImported:
    """What became of a file's rows; those that were known just so count as neither.

    `rejected`: the first 1,000, by line.
    """

    created: int
    updated: int
    rejected: Sequence[RejectedRecipient]


@dataclass(frozen=True, slots=True)
class ContactColumns:
    """Where what stands. `names`: joined by a space; empty and None where there is none."""

    number: int
    names: Sequence[int]
    business: int | None


async def import_contacts(
    installation: Installation, actor: Actor, upload_id: UUID | None
) -> ContactsImported:
    """Contacts for the rows of an upload. Safe to repeat. Raises InvalidFile."""
    scope = own_scope(actor)
    try:
        async with opened(installation, scope, upload_id) as (upload, file):
            columns = contact_columns_of(upload.layout)
            if upload.layout.rows > installation.limits.recipients:
                raise InvalidFile(
                    f"At most {installation.limits.recipients:,} contacts can be imported at once."
                    " Split the file."
                )
            read = partial(read_cards, file, upload.layout, columns, installation.normaliser)
            cards, rejected = await asyncio.to_thread(read)
    except NotFound as gone:
        raise InvalidFile(str(gone)) from None
    async with changing(installation.store) as tx:
        created, updated = await installation.store.save_contacts(tx, scope, cards)
    return ContactsImported(created, updated, rejected)


def contact_columns_of(layout: Layout) -> ContactColumns:
    """Raises InvalidFile where no column holds numbers."""
    number = layout.number_column
    if number is None:
        raise InvalidFile(
            "No column of the file holds phone numbers. It has:"
            f" {columns_in_words(layout.columns)}."
        )
    others = [at for at in range(len(layout.columns)) if at != number]
    if not layout.has_header:
        return ContactColumns(number, others[:1], next(iter(others[1:2]), None))
    words = {at: layout.columns[at].casefold() for at in others}
    business = next((at for at in others if _BUSINESS.search(words[at])), None)
    named = [at for at in others if at != business and _NAME.search(words[at])]
    firsts, lasts = ([at for at in named if each.search(words[at])] for each in (_FIRST, _LAST))
    names = [*firsts[:1], *lasts[:1]] or named[:1]
    return ContactColumns(number, names, business)


def read_cards(
    file: BinaryIO, layout: Layout, columns: ContactColumns, normaliser: Normaliser
) -> tuple[list[ContactCard], list[RejectedRecipient]]:
    """A card for each number, in order of number, and the rows that are none, by line."""
    cards: dict[str, ContactCard] = {}
    rejected: list[RejectedRecipient] = []
    rows = table_rows(file, layout)
    while chunk := list(islice(rows, _CHUNK)):
        written = [number_cell(row, columns.number, layout) for row in chunk]
        numbers = normaliser.normalise_many(written)
        for row, raw, number in zip(chunk, written, numbers, strict=True):
            reason = _take(cards, row, number, columns)
            if reason and len(rejected) < MOST_LISTED:
                rejected.append(rejected_recipient(raw, row.line, reason))
    return sorted(cards.values(), key=lambda card: card.number), rejected


def _take(
    cards: dict[str, ContactCard], row: Row, number: str | None, columns: ContactColumns
) -> RejectionReason | None:
    """Adds the row's card, or says why it has none."""
    if number is None:
        return RejectionReason.INVALID
    if number in cards:
        return RejectionReason.DUPLICATE
    try:
        name = contact_name_of(_text(row, columns.names))
        business = business_of(_text(row, [] if columns.business is None else [columns.business]))
    except InvalidInput:
        return RejectionReason.INVALID
    cards[number] = ContactCard(number, name, business)
    return None


def _text(row: Row, places: Iterable[int]) -> str:
    """What stands in these cells, on one line."""
    cells = [row.cells[at] for at in places if at < len(row.cells)]
    return " ".join(" ".join(cells).split())
