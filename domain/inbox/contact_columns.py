"""Which columns of a file make a contact: its numbers, its name and its business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.sending.files.headers import (
    ColumnKind,
    is_family_name_beside,
    kind_of,
    name_owner,
    part_of_name,
    words_of,
)
from domain.sending.files.layout import Layout, column_named


@dataclass(frozen=True, slots=True)
class ContactColumns:
    """The positions of columns. `names`: joined by a space. Empty and None if there are none."""

    numbers: Sequence[int]
    names: Sequence[int]
    business: int | None


@dataclass(frozen=True, slots=True)
class UsedColumns:
    """The names of the columns that were used. `left_out`: phone numbers that were not."""

    numbers: Sequence[str]
    names: Sequence[str]
    business: str | None
    left_out: Sequence[str]
    sheet: str | None


def contact_columns_of(layout: Layout, column: str | None = None) -> ContactColumns:
    """The columns to read. Raises InvalidFile if no column holds numbers."""
    numbers = [column_named(column, layout.columns)] if column else list(layout.phone_columns)
    if not numbers or not layout.has_header:
        numbers = numbers[:1] if column else [layout.number_column]
    others = [at for at in range(len(layout.columns)) if at not in numbers]
    if not layout.has_header:
        return ContactColumns(numbers, others[:1], next(iter(others[1:2]), None))
    kinds = {at: kind_of(layout.columns[at]) for at in others}
    business = next((at for at in others if kinds[at] is ColumnKind.COMPANY), None)
    return ContactColumns(numbers, _name_columns(layout.columns, kinds, numbers[0]), business)


def used_columns(layout: Layout, columns: ContactColumns) -> UsedColumns:
    """The names of the columns that were read."""
    names = layout.columns
    unread = [at for at in layout.phone_columns if at not in columns.numbers]
    return UsedColumns(
        numbers=[names[at] for at in columns.numbers],
        names=[names[at] for at in columns.names],
        business=None if columns.business is None else names[columns.business],
        left_out=[names[at] for at in sorted({*unread, *layout.left_out} - {*columns.numbers})],
        sheet=layout.sheet,
    )


def _name_columns(columns: Sequence[str], kinds: dict[int, ColumnKind], number: int) -> list[int]:
    """The full name, else the first and the last name, else a name such as "Student name"."""
    by_kind = {kind: [at for at, each in kinds.items() if each is kind] for kind in ColumnKind}
    full, first, last = (
        by_kind[kind][:1]
        for kind in (ColumnKind.FULL_NAME, ColumnKind.FIRST_NAME, ColumnKind.LAST_NAME)
    )
    if first and not last:
        beside = [
            at
            for at in (*full, *by_kind[ColumnKind.NAME_PART])
            if is_family_name_beside(columns[at], columns[first[0]])
        ]
        if beside:
            return [*first, *beside[:1]]
    return full or [*first, *last] or _partial_name(columns, by_kind[ColumnKind.NAME_PART], number)


def _partial_name(columns: Sequence[str], found: Sequence[int], number: int) -> list[int]:
    """The columns of a name such as "Parent name". Prefers the person that the number names."""
    if not found:
        return []
    owner = set(words_of(columns[number]))
    parts = {at: part_of_name(columns[at]) for at in found}
    best = max(found, key=lambda at: (len(owner & set(words_of(columns[at]))), -at))
    if parts[best] is ColumnKind.FULL_NAME:
        return [best]
    person = name_owner(columns[best])
    same = [at for at in found if name_owner(columns[at]) == person]
    firsts, lasts = (
        [at for at in same if parts[at] is kind]
        for kind in (ColumnKind.FIRST_NAME, ColumnKind.LAST_NAME)
    )
    return [*firsts[:1], *lasts[:1]]
