"""Log lines of another system: what it sent for a client and what it charged.

Nothing is charged here. Reconcile compares the lines with their messages, like sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.errors import units_in_words
from domain.identity.access import Everything, Payer
from domain.ids import new_id
from domain.imports.ports import LegacyLogStore
from domain.imports.table import Columns, Table
from domain.imports.tenants import EMAIL, email_in, payers_of
from domain.ledger.imported import LogLine, NewImportedLine, log_line_of
from domain.sending.files.csv_rows import Row
from domain.transactions import changing

COLUMNS = (EMAIL, "created_at", "message_count", "charged", "reference")


class LegacyLogImport:
    """Imports log lines. See `domain.imports.importing.Importer`."""

    def __init__(self, store: LegacyLogStore, table: Table) -> None:
        self._store = store
        self._columns = Columns(table.layout, required=COLUMNS)

    def read(self, row: Row) -> tuple[str, LogLine]:
        texts = self._columns.texts_of(row)
        return email_in(texts), log_line_of(
            reference=texts["reference"],
            created_at=texts["created_at"],
            messages=texts["message_count"],
            charged=texts["charged"],
        )

    async def resolve(
        self, lines: Sequence[tuple[str, LogLine]]
    ) -> Sequence[NewImportedLine | str]:
        payers = await payers_of(self._store, [email for email, _ in lines])
        found = [_with(payers[email], line) for email, line in lines]
        keys = [_key(each) for each in found if not isinstance(each, str)]
        before = await self._store.find_imported_lines(Everything(), keys) if keys else {}
        return [
            each
            if isinstance(each, str) or before.get(_key(each), each.line) == each.line
            else _conflict(before[_key(each)])
            for each in found
        ]

    def key(self, line: NewImportedLine) -> str:
        return f"{line.payer.client_id} {line.line.reference}"

    async def write(self, lines: Sequence[NewImportedLine]) -> int:
        async with changing(self._store, repeatable=True) as tx:
            return await self._store.add_imported_lines(tx, lines)


def _with(payer: tuple[Payer, bool] | str, line: LogLine) -> NewImportedLine | str:
    """The line of this payer. A text instead of a payer says what is wrong, and is returned."""
    return payer if isinstance(payer, str) else NewImportedLine(new_id(), payer[0], line)


def _key(line: NewImportedLine) -> tuple[UUID, str]:
    return line.payer.client_id, line.line.reference


def _conflict(before: LogLine) -> str:
    return (
        f"The reference {before.reference} was imported before, for"
        f" {units_in_words(before.messages, 'message')} charged {before.charged.normalize():f} at"
        f" {before.created_at.isoformat()}. Give this line its own reference, or remove it."
    )
