"""Contacts of clients, as `importContacts` reads them. A later line replaces values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from domain.identity.access import OfClient
from domain.imports.ports import ContactImportStore
from domain.imports.table import Table, refuse_slipped
from domain.imports.tenants import Tenants
from domain.inbox.contact_columns import contact_columns_of
from domain.inbox.contact_import import name_and_business, numbers_in
from domain.inbox.messages import ContactCard
from domain.numbers import Normaliser
from domain.sending.files.csv_rows import Row
from domain.transactions import changing

Cards = Sequence[ContactCard]


class ContactImport:
    """Imports contacts. See `domain.imports.importing.Importer`.

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
        """Raises InvalidFile if the file lacks a column. `column`: the only one with numbers."""
        self._store = store
        self._normaliser = normaliser
        self._layout = table.layout
        self._tenants = Tenants(store, table.layout, client_id)
        self._columns = contact_columns_of(table.layout, column)

    def read(self, row: Row) -> tuple[str, Cards]:
        refuse_slipped(row, self._layout)
        raws = numbers_in(row, self._columns, self._layout)
        numbers = {self._normaliser.normalise(raw): None for raw in raws}
        texts = name_and_business(row, self._columns)
        return self._tenants.email_in(row), [ContactCard(number, *texts) for number in numbers]

    async def resolve(
        self, lines: Sequence[tuple[str, Cards]]
    ) -> Sequence[tuple[UUID, Cards] | str]:
        return await self._tenants.resolve(lines)

    def key(self, line: tuple[UUID, Cards]) -> None:
        return None

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
