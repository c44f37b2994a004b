"""Accepting sends: charge and messages in one transaction, many requests at a time.

Concurrent requests are decided together, in order of arrival, over rows locked in id order. What
each is told is what it would have been told alone, in that order: `decide` is the single path and
the batched path both, and a request that breaks a batch is set apart and tried by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from domain.clock import now_seconds
from domain.errors import (
    IdempotencyConflict,
    InsufficientBalance,
    OptedOut,
    Refusal,
    TryAgain,
)
from domain.ledger.book import Book, Purpose, TransferKind, can_pay
from domain.ledger.idempotency import (
    PAUSES_SECONDS,
    answer_of_refusal,
    kept_answer,
    refusal_of_answer,
)
from domain.ledger.keys import Answer, IdempotencyKey
from domain.ledger.valuation import value_usd
from domain.sending.batcher import Batcher
from domain.sending.observing import RequestObserver
from domain.sending.ports import AcceptStore
from domain.sending.sends import NewSend, SendKind
from domain.transactions import Disconnected, Transaction

PATIENCE_SECONDS = 10.0
"""How long a request waits its turn, and from when on it is not tried again: somebody waits."""

LARGE = 500
"""Messages from which a send is a transaction of its own, written by COPY."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Accepted and charged, durably."""

    send: NewSend


@dataclass(frozen=True, slots=True)
class Replayed:
    """Accepted and charged before, under the same idempotency key."""

    send_id: UUID


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted; nothing was charged."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Busy:
    """Its key is in progress elsewhere: the request is to wait alone."""


Verdict = Taken | Replayed | Refused
Kept = Mapping[UUID, tuple[bytes, Answer]]


@dataclass(frozen=True, slots=True)
class Decided:
    """The verdicts of a batch, and the answers to keep under the keys that are new in it."""

    verdicts: list[Verdict]
    answers: list[tuple[IdempotencyKey, Answer]]


class Acceptance:
    """The way in for all sends of this process: small ones together, large ones a few at a time."""

    def __init__(
        self,
        store: AcceptStore,
        *,
        large_at_once: int = 2,
        busy_at_once: int = 4,
        patience_seconds: float = PATIENCE_SECONDS,
        observer: RequestObserver | None = None,
    ) -> None:
        self._store = store
        self._patience_seconds = patience_seconds
        self._observer = observer or RequestObserver()
        self._batcher = Batcher(self._accept_together, longest_wait_seconds=patience_seconds)
        self._large = asyncio.Semaphore(large_at_once)
        # Of their own: whoever waits for a key must not take the place of a large send.
        self._busy = asyncio.Semaphore(busy_at_once)

    def start(self) -> None:
        """Begins to accept. Call it once, at boot: never from inside a request."""
        self._batcher.start()

    async def stop(self) -> None:
        """Decides what has arrived, then accepts no more."""
        await self._batcher.stop()

    async def accept(self, send: NewSend) -> Verdict:
        """Charges and queues the send, or says why not. Durable once answered."""
        asked_at = now_seconds()
        if len(send.numbers) >= LARGE:
            async with self._large:
                verdict = await self._accept_alone(send)
        else:
            answer = await self._batcher.ask(send)
            if isinstance(answer, Busy):
                async with self._busy:
                    answer = await self._accept_alone(send)
            verdict = answer
        if isinstance(verdict, Taken):
            messages = len(send.numbers)
            self._observer.accepted(send.kind, messages, seconds=now_seconds() - asked_at)
        return verdict

    @property
    def waiting(self) -> int:
        """How many sends wait for a transaction."""
        return self._batcher.waiting

    async def _accept_together(self, sends: Sequence[NewSend]) -> list[Verdict | Busy]:
        begun_at = now_seconds()
        verdicts = await accept_batch(self._store, sends, patience_seconds=self._patience_seconds)
        self._observer.decided(len(sends), seconds=now_seconds() - begun_at)
        return verdicts

    async def _accept_alone(self, send: NewSend) -> Verdict:
        begun_at = now_seconds()
        verdict = await accept_alone(self._store, send, patience_seconds=self._patience_seconds)
        self._observer.decided(1, seconds=now_seconds() - begun_at)
        return verdict


async def accept_batch(
    store: AcceptStore, sends: Sequence[NewSend], *, patience_seconds: float = PATIENCE_SECONDS
) -> list[Verdict | Busy]:
    """One verdict a send, same order, all in one transaction.

    Safe to repeat after a lost connection: what the lost commit kept is found by the sends' ids.
    """
    async for again in _tries(patience_seconds):
        with suppress(Disconnected):
            return await _accept_together(store, sends, again=again)
    return [Refused(TryAgain()) for _ in sends]


async def accept_alone(
    store: AcceptStore, send: NewSend, *, patience_seconds: float = PATIENCE_SECONDS
) -> Verdict:
    """The verdict on one send, however large; waits for others that use the same key."""
    async for again in _tries(patience_seconds):
        with suppress(Disconnected):
            return await _accept_one(store, send, again=again)
    return Refused(TryAgain())


def replay(key: IdempotencyKey, kept: tuple[bytes, Answer]) -> Verdict:
    """The answer kept under the key, or the conflict where the input was another one."""
    try:
        answer = kept_answer(key, kept)
    except IdempotencyConflict as conflict:
        return Refused(conflict)
    refusal = refusal_of_answer(answer)
    return Refused(refusal) if refusal else Replayed(UUID(answer["send"]))


def answer_of(verdict: Taken | Refused) -> Answer:
    """What is kept under a key: charging has two ends, the success and InsufficientBalance."""
    if isinstance(verdict, Taken):
        return {"send": str(verdict.send.id)}
    assert isinstance(verdict.refusal, InsufficientBalance)
    return answer_of_refusal(verdict.refusal)


def decide(
    book: Book, sends: Sequence[NewSend], kept: Kept, barred: Collection[UUID] = ()
) -> Decided:
    """One verdict a send, in order of arrival; charges are posted to the book.

    `barred`: ids of sends to a number that opted out; such a refusal leaves a key unused.
    `kept`: answers given under keys before. A key that stands twice in `sends` answers the second
    from the first, as if the first had been committed in between.
    """
    answers = dict(kept)
    decided = Decided([], [])
    for send in sends:
        if send.key and send.key.id in answers:
            decided.verdicts.append(replay(send.key, answers[send.key.id]))
            continue
        if send.id in barred:
            decided.verdicts.append(Refused(OptedOut()))
            continue
        verdict = _charge(book, send)
        decided.verdicts.append(verdict)
        if send.key:
            answer = answer_of(verdict)
            answers[send.key.id] = (send.key.input_hash, answer)
            decided.answers.append((send.key, answer))
    return decided


async def _tries(patience_seconds: float) -> AsyncIterator[bool]:
    """Each try at a transaction while the database goes away under it; False for the first."""
    give_up_at = now_seconds() + patience_seconds
    for pause in PAUSES_SECONDS:
        await asyncio.sleep(pause)
        if pause and now_seconds() > give_up_at:
            return
        yield pause > 0


async def _accept_together(
    store: AcceptStore, sends: Sequence[NewSend], *, again: bool
) -> list[Verdict | Busy]:
    async with store.transaction() as tx:
        own, kept = await _take_keys(store, tx, [send.key for send in sends if send.key])
        ready = [send for send in sends if send.key is None or send.key.id in own]
        payers = [send.payer.account_id for send in ready]
        book, barred = await store.lock_payers(tx, payers, _singles(ready))
        # Only behind the locks: a commit that was lost on the way may still be under way.
        found = await store.find_sends(tx, [send.id for send in ready]) if again else set()
        open_ = [send for send in ready if send.id not in found]
        decided = decide(book, open_, kept, barred)
        await _write(store, tx, book, decided)
    verdicts: dict[UUID, Verdict] = {send.id: Taken(send) for send in ready}
    verdicts |= {send.id: verdict for send, verdict in zip(open_, decided.verdicts, strict=True)}
    return [verdicts.get(send.id, Busy()) for send in sends]


async def _accept_one(store: AcceptStore, send: NewSend, *, again: bool) -> Verdict:
    try:
        if not again:  # a lost commit may be what made the payer poor
            await _refuse_early(store, send)
        async with store.transaction() as tx:
            kept = await _take_key(store, tx, send.key)
            if send.key and send.key.id in kept:
                return replay(send.key, kept[send.key.id])
            if again and await _was_kept(store, tx, send):
                return Taken(send)
            # Rows first and the charge last: the payer's row is locked for a moment only.
            await store.copy_messages(tx, send)
            book, barred = await store.lock_payers(tx, [send.payer.account_id], _singles([send]))
            if barred:
                raise _RolledBack(Refused(OptedOut()))
            verdict = _charge(book, send)
            if isinstance(verdict, Refused):
                raise _RolledBack(verdict)
            await store.write_book(tx, book)
            if send.key:
                await store.keep_answers(tx, [(send.key, answer_of(verdict))])
            return verdict
    except _RolledBack as rolled_back:
        return await _keep_refusal(store, send, rolled_back.verdict)


async def _was_kept(store: AcceptStore, tx: Transaction, send: NewSend) -> bool:
    # Only behind the lock: a commit that was lost on the way may still be under way.
    await store.lock_accounts(tx, [send.payer.account_id])
    return bool(await store.find_sends(tx, [send.id]))


async def _refuse_early(store: AcceptStore, send: NewSend) -> None:
    """Saves the writing of rows that a poor payer's charge would only roll back."""
    if len(send.numbers) >= LARGE:
        held = await store.held(send.payer.account_id)
        if held < send.cost:
            raise _RolledBack(Refused(_insufficient(send, held)))


async def _keep_refusal(store: AcceptStore, send: NewSend, refused: Refused) -> Verdict:
    """The refusal, kept under the send's key where it is of the balance; or what was kept there."""
    if send.key is None or not isinstance(refused.refusal, InsufficientBalance):
        return refused
    async with store.transaction() as tx:
        kept = await _take_key(store, tx, send.key)
        if send.key.id in kept:
            return replay(send.key, kept[send.key.id])
        await store.keep_answers(tx, [(send.key, answer_of(refused))])
        return refused


async def _take_keys(
    store: AcceptStore, tx: Transaction, keys: Sequence[IdempotencyKey]
) -> tuple[set[UUID], Kept]:
    if not keys:
        return set(), {}
    own = await store.try_keys(tx, keys)
    return own, await store.find_answers(tx, [key for key in keys if key.id in own])


async def _take_key(store: AcceptStore, tx: Transaction, key: IdempotencyKey | None) -> Kept:
    if key is None:
        return {}
    await store.take_key(tx, key)
    return await store.find_answers(tx, [key])


def _singles(sends: Sequence[NewSend]) -> list[NewSend]:
    """Those to one number: whether it opted out is found out with the charge.

    A list of numbers is sorted before it comes here.
    """
    return [send for send in sends if send.kind in (SendKind.SINGLE, SendKind.REPLY)]


async def _write(store: AcceptStore, tx: Transaction, book: Book, decided: Decided) -> None:
    taken = [verdict.send for verdict in decided.verdicts if isinstance(verdict, Taken)]
    if taken:
        await store.write_accepted(tx, book, taken)
    if decided.answers:
        await store.keep_answers(tx, decided.answers)


def _charge(book: Book, send: NewSend) -> Taken | Refused:
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
    )
    return Taken(send)


def _insufficient(send: NewSend, held: int) -> InsufficientBalance:
    return InsufficientBalance(required=send.cost, available=max(held, 0), unit=send.payer.unit)


class _RolledBack(Exception):
    """Leaves a transaction without keeping anything of it."""

    def __init__(self, verdict: Refused) -> None:
        self.verdict = verdict
