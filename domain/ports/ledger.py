"""What the ledger's operations need of the store. `persistence.ledger` and `.sends` fill it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from domain.ledger.book import Book
from domain.sending import IdempotencyKey, NewSend

Transaction: TypeAlias = Any
"""An open transaction. Opaque here: only persistence looks inside."""

Answer: TypeAlias = Mapping[str, Any]
"""The answer kept under an idempotency key: JSON."""


class Disconnected(Exception):
    """The database went away; whether the last commit was kept is not known.

    Repeat the whole transaction as "insert or find".
    """


class Ledger(Protocol):
    """Locks are taken in this order: keys, provider account, messages, accounts in id order."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """READ COMMITTED. Raises Disconnected where the database is away."""
        ...

    async def lock_accounts(self, tx: Transaction, ids: Sequence[UUID]) -> Book:
        """The nodes, FOR UPDATE in id order, until the transaction ends."""
        ...

    async def write_book(self, tx: Transaction, book: Book) -> None:
        """Writes the changed holdings and all posted transfers in one statement."""
        ...


class Keys(Protocol):
    """Idempotency keys: taken first in a transaction, before any row is locked."""

    async def try_keys(self, tx: Transaction, keys: Sequence[IdempotencyKey]) -> set[UUID]:
        """Ids of the keys that are this transaction's own now; the others are in progress."""
        ...

    async def take_key(self, tx: Transaction, key: IdempotencyKey) -> None:
        """Waits until no other transaction is at work under this key."""
        ...

    async def find_answers(
        self, tx: Transaction | None, keys: Sequence[IdempotencyKey]
    ) -> dict[UUID, tuple[bytes, Answer]]:
        """Kept answers by key id, each with the hash of the input it was given to."""
        ...

    async def keep_answers(
        self, tx: Transaction, answers: Sequence[tuple[IdempotencyKey, Answer]]
    ) -> None:
        """Keeps the answers until the keys are purged."""
        ...


class Sends(Protocol):
    """Sends and their messages, as the accept path writes them."""

    async def lock_payers(
        self, tx: Transaction, ids: Sequence[UUID], singles: Sequence[NewSend]
    ) -> tuple[Book, set[UUID]]:
        """The nodes, FOR UPDATE in id order, and the ids of singles to a number that opted out."""
        ...

    async def write_accepted(self, tx: Transaction, book: Book, sends: Sequence[NewSend]) -> None:
        """Writes a book, and the sends it charges with their messages, QUEUED, in one statement.

        Meant for small ones.
        """
        ...

    async def copy_messages(self, tx: Transaction, send: NewSend) -> None:
        """Writes one send and its messages by COPY: meant for a large one."""
        ...

    async def find_sends(self, tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
        """Those of the ids that are committed sends."""
        ...

    async def held(self, account_id: UUID) -> int:
        """What a node holds at this moment, unlocked: good for refusing early, no more."""
        ...


class AcceptStore(Ledger, Keys, Sends, Protocol):
    """All that accepting a send needs."""
