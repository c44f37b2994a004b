"""Opt-outs of clients: numbers that have asked another system for no more messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from domain.imports.ports import ContactImportStore
from domain.imports.table import Table, refuse_slipped
from domain.imports.tenants import Tenants
from domain.inbox.opt_out import opt_out_by_hand
from domain.numbers import Normaliser
from domain.sending.files.csv_rows import Row
from domain.sending.files.layout import column_named
from domain.sending.files.table import number_cell
from domain.transactions import changing


class OptOutImport:
    """Imports opt-outs. See `domain.imports.importing.Importer`.

    `client_id`: of all lines; None: the file names the client of each line.
    """

    def __init__(
        self,
        store: ContactImportStore,
        normaliser: Normaliser,
        table: Table,
        *,
        client_id: UUID | None,
        column: str | None,
    ) -> None:
        """Raises InvalidFile if the file lacks a column. `column`: the one with the numbers."""
        self._store = store
        self._normaliser = normaliser
        self._layout = layout = table.layout
        self._tenants = Tenants(store, layout, client_id)
        self._at = column_named(column, layout.columns) if column else layout.number_column

    def read(self, row: Row) -> tuple[str, str]:
        refuse_slipped(row, self._layout)
        number = self._normaliser.normalise(number_cell(row, self._at, self._layout))
        return self._tenants.email_in(row), number

    async def resolve(self, lines: Sequence[tuple[str, str]]) -> Sequence[tuple[UUID, str] | str]:
        return await self._tenants.resolve(lines)

    def key(self, line: tuple[UUID, str]) -> None:
        return None

    async def write(self, lines: Sequence[tuple[UUID, str]]) -> int:
        by_client: dict[UUID, set[str]] = defaultdict(set)
        for client_id, number in lines:
            by_client[client_id].add(number)
        added = 0
        for client_id, numbers in by_client.items():
            present = await self._store.find_opted_out(client_id, sorted(numbers))
            new = sorted(numbers - present)
            if new:
                async with changing(self._store, repeatable=True) as tx:
                    # Locks the feed: receiving and capturing wait, and see the opt-out.
                    await self._store.take_feed_numbers(tx, {client_id: 0})
                    await opt_out_by_hand(self._store, tx, client_id, new)
                added += len(new)
        return added
