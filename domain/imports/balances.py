"""Opening balances: what clients held in another system, as OPENING transfers from outside."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.identity.access import Everything, Payer
from domain.ids import new_id
from domain.imports.ports import BalanceStore
from domain.imports.table import Columns, Table
from domain.imports.tenants import EMAIL, email_in, payers_of
from domain.ledger.allocate import OWNED
from domain.ledger.book import Purpose, TransferKind
from domain.ledger.imported import NewOpeningBalance, OpeningBalance, opening_balance_of
from domain.sending.files.csv_rows import Row
from domain.transactions import changing

COLUMNS = (EMAIL, "balance")
OPTIONAL = ("reference",)


class BalanceImport:
    """Imports opening balances. See `domain.imports.importing.Importer`."""

    def __init__(self, store: BalanceStore, table: Table) -> None:
        self._store = store
        self._columns = Columns(table.layout, required=COLUMNS, optional=OPTIONAL)

    def read(self, row: Row) -> tuple[str, OpeningBalance]:
        texts = self._columns.texts_of(row)
        balance = opening_balance_of(balance=texts["balance"], reference=texts["reference"])
        return email_in(texts), balance

    async def resolve(
        self, lines: Sequence[tuple[str, OpeningBalance]]
    ) -> Sequence[NewOpeningBalance | str]:
        payers = await payers_of(self._store, [email for email, _ in lines])
        found = [_with(payers[email], balance) for email, balance in lines]
        keys = [_key(each) for each in found if not isinstance(each, str)]
        before = await self._store.find_opening_balances(Everything(), keys) if keys else {}
        return [
            each
            if isinstance(each, str) or before.get(_key(each), each.balance) == each.balance
            else _conflict(before[_key(each)])
            for each in found
        ]

    def key(self, line: NewOpeningBalance) -> str:
        return f"{line.payer.client_id} {line.balance.reference}"

    async def write(self, lines: Sequence[NewOpeningBalance]) -> int:
        async with changing(self._store, repeatable=True) as tx:
            added = await self._store.add_opening_balances(tx, lines)
            paid = [each for each in lines if _key(each) in added and each.balance.units]
            if paid:
                book = await self._store.lock_accounts(tx, [each.payer.account_id for each in paid])
                for each in paid:
                    book.post(
                        TransferKind.OPENING,
                        each.balance.units,
                        destination=book.holdings[each.payer.account_id],
                        purpose=Purpose(note=each.balance.reference),
                        transfer_id=each.transfer_id,
                    )
                await self._store.write_book(tx, book)
            return len(added)


def _with(payer: tuple[Payer, bool] | str, balance: OpeningBalance) -> NewOpeningBalance | str:
    if isinstance(payer, str):
        return payer
    account, is_owned = payer
    if is_owned:
        return f"{OWNED} Remove the line."
    return NewOpeningBalance(account, balance, new_id() if balance.units else None)


def _key(line: NewOpeningBalance) -> tuple[UUID, str]:
    return line.payer.client_id, line.balance.reference


def _conflict(before: OpeningBalance) -> str:
    return (
        f"This client has an imported balance of {before.units:,} with the reference"
        f" {before.reference}. Use allocate to change it, or give the line its own reference"
        " to add to it."
    )
