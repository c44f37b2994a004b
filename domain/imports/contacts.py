"""Contacts of clients, and numbers that have opted out in another system, from files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Generic, TypeVar
from uuid import UUID

from domain.identity.access import OfClient
from domain.imports.ports import ContactImportStore
from domain.imports.table import Table, refuse_slipped
from domain.imports.tenants import Tenants
from domain.inbox.contact_columns import contact_columns_of
from domain.inbox.contact_import import name_and_business, numbers_in
from domain.inbox.messages import ContactCard
from domain.inbox.opt_out import opt_out_by_hand
from domain.numbers import Normaliser
from domain.sending.files.csv_rows import Row
from domain.sending.files.layout import column_named
from domain.sending.files.table import number_cell
from domain.transactions import changing

Cards = Sequence[ContactCard]
Item = TypeVar("Item")


class _OfClients(Generic[Item]):
    """What both imports share. `client_id`: of all lines; None: each line names its client."""

    def __init__(
        self,
        store: ContactImportStore,
        normaliser: Normaliser,
        table: Table,
        *,
        client_id: UUID | None,
        column: str | None,
    ) -> None:
        """Raises InvalidFile if the file lacks a column. `column`: the only one with numbers."""
        self._store = store
        self._normaliser = normaliser
        self._layout = table.layout
        self._tenants = Tenants(store, table.layout, client_id)
        self._column = column
        self._find_columns()

    def _find_columns(self) -> None:
        raise NotImplementedError

    async def resolve(self, lines: Sequence[tuple[str, Item]]) -> Sequence[tuple[UUID, Item] | str]:
        return await self._tenants.resolve(lines)

    def key(self, line: tuple[UUID, Item]) -> None:
        return None


class ContactImport(_OfClients[Cards]):
    """Imports contacts. A later line replaces values. See `domain.imports.importing.Importer`."""

    def _find_columns(self) -> None:
        self._columns = contact_columns_of(self._layout, self._column)

    def read(self, row: Row) -> tuple[str, Cards]:
        refuse_slipped(row, self._layout)
        raws = numbers_in(row, self._columns, self._layout)
        numbers = {self._normaliser.normalise(raw): None for raw in raws}
        texts = name_and_business(row, self._columns)
        return self._tenants.email_in(row), [ContactCard(number, *texts) for number in numbers]

    async def write(self, lines: Sequence[tuple[UUID, Cards]]) -> int:
        by_client: dict[UUID, dict[str, ContactCard]] = defaultdict(dict)
        for client_id, cards in lines:
            for card in cards:
                known = by_client[client_id].get(card.number)
                by_client[client_id][card.number] = _merged(known, card) if known else card
        changed = 0
        for client_id, found in by_client.items():
            in_order = [found[number] for number in sorted(found)]
            async with changing(self._store, repeatable=True) as tx:
                changed += sum(await self._store.save_contacts(tx, OfClient(client_id), in_order))
        return changed


def _merged(known: ContactCard, card: ContactCard) -> ContactCard:
    return ContactCard(card.number, card.name or known.name, card.business or known.business)


class OptOutImport(_OfClients[str]):
    """Imports opt-outs. See `domain.imports.importing.Importer`."""

    def _find_columns(self) -> None:
        layout = self._layout
        self._at = (
            column_named(self._column, layout.columns) if self._column else layout.number_column
        )

    def read(self, row: Row) -> tuple[str, str]:
        refuse_slipped(row, self._layout)
        number = self._normaliser.normalise(number_cell(row, self._at, self._layout))
        return self._tenants.email_in(row), number

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
