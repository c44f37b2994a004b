"""Accepting sends: the charge and the messages are written in one transaction.

Small sends are decided in batches, in order of arrival, over accounts locked in ID order. A send of
many messages has its own transaction. Each send gets the result that it would get alone. A
send whose account or key is locked elsewhere is postponed, so that the others need not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from domain.errors import (
    IdempotencyConflict,
    InsufficientBalance,
    OptedOut,
    OutcomeUnknown,
    Refusal,
    TryAgain,
)
from domain.ledger.balances import value_usd
from domain.ledger.book import Book, Purpose, TransferKind, can_pay
from domain.ledger.idempotency import (
    PAUSES_SECONDS,
    Answer,
    IdempotencyKey,
    KeysTaken,
    stored_answer,
)
from domain.loops import now_seconds
from domain.sending.messages import NewSend, answer_of
from domain.sending.ports import AcceptedSends, AcceptStore
from domain.transactions import CommitLost, Disconnected, LockTimeout, Transaction

PATIENCE_SECONDS = 10.0
"""How long a send may wait before it is refused with TryAgain. Its caller is waiting."""

COPY_FROM = 500
"""From this many messages on, a send has its own transaction, and COPY writes its messages."""

LOCK_WAIT_SECONDS = 0.2
"""How long a batch waits for one account. The sends of all other accounts wait as well."""

UNLIMITED = 0.0
"""A wait for locks without a limit, as PostgreSQL writes it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AcceptedNow:
    """Accepted and charged by this request. It is durable. `created_at`: as stored."""

    send: NewSend
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AcceptedBefore:
    """Accepted and charged by an earlier request with the same idempotency key."""

    send_id: UUID


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted, and nothing was charged; except if the refusal is OutcomeUnknown."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Postponed:
    """Not decided: its account is locked elsewhere, or its key was used a moment ago.

    `kept_id`: the send may exist under this ID, because the COMMIT of an earlier try was lost.
    """

    account_locked: bool
    kept_id: UUID | None = None


AcceptResult = AcceptedNow | AcceptedBefore | Refused

Decision = NewSend | AcceptedBefore | Refused
"""A NewSend is accepted when the transaction commits."""

StoredAnswers = Mapping[UUID, tuple[bytes, Answer]]
"""For the ID of a key: the hash of the input, and the answer."""


async def accept_batch(
    store: AcceptStore, sends: Sequence[NewSend], *, patience_seconds: float = PATIENCE_SECONDS
) -> list[AcceptResult | Postponed]:
    """One result for each send, in order, all from one transaction.

    The transaction is repeated if the connection is lost. What a lost COMMIT has kept is found.
    """
    batch = _Batch(store, sends)
    async for _ in _tries(patience_seconds):
        try:
            return await batch.try_once()
        except Disconnected:
            continue
    return [given_up(batch.kept_ids.get(send.id)) for send in sends]


async def accept_alone(
    store: AcceptStore,
    send: NewSend,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    lock_wait_seconds: float = LOCK_WAIT_SECONDS,
    kept_id: UUID | None = None,
) -> AcceptResult | Postponed:
    """The result for one send of any size. Waits for its key.

    `kept_id`: the send may exist under this ID already.
    """
    single = _Single(store, send, lock_wait_seconds, kept_id)
    async for _ in _tries(patience_seconds):
        try:
            return await single.try_once()
        except LockTimeout:
            return Postponed(account_locked=True, kept_id=single.kept_id)
        except CommitLost:
            single.kept_id = single.kept_id or send.id
        except (Disconnected, KeysTaken):
            continue
    return given_up(single.kept_id)


def given_up(kept_id: UUID | None) -> Refused:
    """The result if there was no time left for another try."""
    return Refused(TryAgain() if kept_id is None else OutcomeUnknown(send_id=kept_id))


def decide_sends(
    book: Book,
    sends: Sequence[NewSend],
    stored: StoredAnswers,
    opted_out: Collection[UUID],
) -> list[Decision]:
    """One decision for each send, in order. Posts the charges to the book.

    `stored`: answers that keys have already. If a key occurs twice in `sends`, the second send gets
    the answer of the first. `opted_out`: IDs of sends whose one number has opted out.
    """
    answers = dict(stored)
    decisions: list[Decision] = []
    for send in sends:
        if send.key and send.key.id in answers:
            decision: Decision = _repeated(send.key, answers[send.key.id])
        elif send.id in opted_out:
            decision = Refused(OptedOut())
        else:
            decision = _charge(book, send)
            if send.key and isinstance(decision, NewSend):
                answers[send.key.id] = (send.key.input_hash, answer_of(send))
        decisions.append(decision)
    return decisions


class _Batch:
    """The tries at one batch. `kept_ids`: the send that may exist after a lost COMMIT, by send."""

    def __init__(self, store: AcceptStore, sends: Sequence[NewSend]) -> None:
        self._store = store
        self._sends = sends
        self._taken: Set[UUID] = frozenset()
        self.kept_ids: dict[UUID, UUID] = {}

    async def try_once(self) -> list[AcceptResult | Postponed]:
        skip_locked, wait_seconds = False, LOCK_WAIT_SECONDS
        while True:
            try:
                return await self._try_once(skip_locked, wait_seconds)
            except KeysTaken as keys:
                if keys.ids <= self._taken:
                    raise
                self._taken |= keys.ids
            except LockTimeout:
                if wait_seconds == UNLIMITED:
                    raise
                if skip_locked:  # the wait was not for an account, but for one of the keys
                    self._taken = {send.key.id for send in self._sends if send.key}
                    wait_seconds = UNLIMITED
                skip_locked = True

    async def _try_once(
        self, skip_locked: bool, wait_seconds: float
    ) -> list[AcceptResult | Postponed]:
        decided: dict[UUID, Decision] = {}
        ready = [send for send in self._sends if not send.key or send.key.id not in self._taken]
        try:
            async with self._store.transaction(keeps_plans=True) as tx:
                results = await self._decide(tx, ready, decided, wait_seconds, skip_locked)
        except CommitLost:
            self.kept_ids |= {
                send_id: decision.id if isinstance(decision, NewSend) else decision.send_id
                for send_id, decision in decided.items()
                if not isinstance(decision, Refused)
            }
            raise
        key_taken = {send.id for send in self._sends} - {send.id for send in ready}
        return [
            results.get(send.id)
            or Postponed(send.id not in key_taken, kept_id=self.kept_ids.get(send.id))
            for send in self._sends
        ]

    async def _decide(
        self,
        tx: Transaction,
        ready: Sequence[NewSend],
        decided: dict[UUID, Decision],
        wait_seconds: float,
        skip_locked: bool,
    ) -> dict[UUID, AcceptResult | Postponed]:
        """The results of the sends whose accounts could be locked. Fills `decided`."""
        accept = partial(
            self._store.accept_sends, tx, wait_seconds=wait_seconds, skip_locked=skip_locked
        )
        results: dict[UUID, AcceptResult | Postponed] = {}
        if self.kept_ids:
            # After the locks: a transaction whose COMMIT was lost may still be under way.
            ids = [send.payer.account_id for send in ready]
            await self._store.lock_accounts(
                tx, ids, wait_seconds=wait_seconds, skip_locked=skip_locked
            )
            kept = await self._store.find_sends(tx, list(self.kept_ids))
            results = {s.id: AcceptedNow(s, kept[s.id]) for s in ready if s.id in kept}
            ready = [send for send in ready if send.id not in kept]
        while ready:
            done = await accept(ready)
            accepted = [send for send in ready if send.id in done.created_at]
            decided |= {send.id: send for send in accepted}
            results |= {send.id: AcceptedNow(send, done.created_at[send.id]) for send in accepted}
            decisions = _decide_others(ready, done)
            # Decisions about their accounts assumed that these sends would be accepted.
            missed = {send.payer.account_id for send in ready if send.id in decisions}
            for send in self._sends if missed else ():
                known = isinstance(results.get(send.id), AcceptedBefore | Refused)
                if known and send.payer.account_id in missed:
                    del results[send.id], decided[send.id]  # it is postponed
            decided |= decisions
            results |= {i: each for i, each in decisions.items() if not isinstance(each, NewSend)}
            again = [each for each in decisions.values() if isinstance(each, NewSend)]
            if len(again) == len(ready):
                _log.error("PostgreSQL refuses send %s, which the rules accept", again[0].id)
                return results | {send.id: Refused(TryAgain()) for send in again}
            ready = again
        return results


def _decide_others(sends: Sequence[NewSend], done: AcceptedSends) -> dict[UUID, Decision]:
    """The decisions about sends that were not accepted with the others of their batch."""
    if len(done.created_at) == len(sends):
        return {}
    holdings, stored = done.book.holdings, dict(done.stored)
    for send in sends:
        if send.key and send.id in done.created_at:
            stored[send.key.id] = (send.key.input_hash, answer_of(send))
    others = [
        send
        for send in sends
        if send.id not in done.created_at and send.payer.account_id in holdings
    ]
    decisions = decide_sends(done.book, others, stored, done.opted_out)
    return {send.id: each for send, each in zip(others, decisions, strict=True)}


@dataclass(slots=True)
class _Single:
    """The tries at one send."""

    store: AcceptStore
    send: NewSend
    lock_wait_seconds: float
    kept_id: UUID | None

    async def try_once(self) -> AcceptResult:
        try:
            async with self.store.transaction() as tx:
                return await self._accept(tx)
        except _RolledBack as rolled_back:
            return rolled_back.refused

    async def _accept(self, tx: Transaction) -> AcceptResult:
        store, send = self.store, self.send
        if (repeated := await self._find_repeated(tx)) is not None:
            return repeated
        if self.kept_id is not None:
            await self._lock(tx)  # a transaction whose COMMIT was lost may still be under way
            kept = await store.find_sends(tx, [send.id])
            if kept:
                return AcceptedNow(send, kept[send.id])
        elif send.accepted >= COPY_FROM:
            await self._refuse_early(tx)
        # Rows first, the charge last: the account is locked only for a moment.
        created_at = await store.copy_messages(tx, send)
        if send.callback is not None:
            ids, callback = send.message_ids, send.callback
            await store.enqueue_callback(
                tx, send.payer.client_id, ids, callback.url, format=callback.format
            )
            await store.queue_callback_events(tx, ids)
        if send.valid_seconds is not None:
            await store.limit_validity(tx, send.id, send.valid_seconds)
        book = await self._lock(tx)
        client_id, single = send.payer.client_id, send.numbers[:1] if send.is_single else []
        is_barred = single and await store.find_opted_out(client_id, single, tx=tx)
        (decision,) = decide_sends(book, [send], {}, [send.id] if is_barred else [])
        if isinstance(decision, Refused):
            raise _RolledBack(decision)
        await store.write_book(tx, book)
        if send.key:
            await store.keep_answers(tx, [(send.key, answer_of(send))])
        return AcceptedNow(send, created_at)

    async def _find_repeated(self, tx: Transaction) -> AcceptedBefore | Refused | None:
        key = self.send.key
        if key is None:
            return None
        await self.store.take_key(tx, key)
        stored = await self.store.find_answers(tx, [key])
        if key.id not in stored:
            return None
        repeated = _repeated(key, stored[key.id])
        if isinstance(repeated, AcceptedBefore):
            self.kept_id = repeated.send_id
        return repeated

    async def _refuse_early(self, tx: Transaction) -> None:
        """Refuses before rows are written that would be rolled back."""
        held = await self.store.held(self.send.payer.account_id, tx=tx)
        if held < self.send.cost:
            raise _RolledBack(Refused(_insufficient(self.send, held)))

    async def _lock(self, tx: Transaction) -> Book:
        ids = [self.send.payer.account_id]
        return await self.store.lock_accounts(tx, ids, wait_seconds=self.lock_wait_seconds)


async def _tries(patience_seconds: float) -> AsyncIterator[None]:
    """Each try at a transaction, as long as there is time."""
    give_up_at = now_seconds() + patience_seconds
    for pause in PAUSES_SECONDS:
        await asyncio.sleep(pause)
        if pause and now_seconds() > give_up_at:
            return
        yield


def _charge(book: Book, send: NewSend) -> NewSend | Refused:
    holding = book.holdings[send.payer.account_id]
    if not can_pay(holding, send.cost):
        return Refused(_insufficient(send, holding.held))
    book.post(
        TransferKind.SEND,
        send.cost,
        source=holding,
        purpose=Purpose(
            send_id=send.id,
            actor_id=send.actor_id,
            rate_usd=send.payer.rate_usd,
            value_usd=value_usd(send.cost, send.payer.rate_usd),
        ),
        transfer_id=send.id,
    )
    return send


def _insufficient(send: NewSend, held: int) -> InsufficientBalance:
    return InsufficientBalance(required=send.cost, available=max(held, 0), unit=send.payer.unit)


def _repeated(key: IdempotencyKey, stored: tuple[bytes, Answer]) -> AcceptedBefore | Refused:
    try:
        return AcceptedBefore(UUID(stored_answer(key, stored)["send"]))
    except IdempotencyConflict as conflict:
        return Refused(conflict)


class _RolledBack(Exception):
    """Leaves a transaction so that nothing of it is kept."""

    def __init__(self, refused: Refused) -> None:
        self.refused = refused
