"""The queue in front of accepting: which send goes into which transaction, and which one waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from domain.errors import RateLimited
from domain.loops import Batcher, now_seconds
from domain.sending.accept import (
    COPY_FROM,
    PATIENCE_SECONDS,
    AcceptedNow,
    AcceptResult,
    Postponed,
    Refused,
    accept_alone,
    accept_batch,
    given_up,
)
from domain.sending.messages import NewSend, SendKind
from domain.sending.ports import AcceptStore
from domain.transactions import Disconnected, LockTimeout

LONGEST_LOCK_WAIT_SECONDS = 8.0
"""How long one statement waits for an account that is locked elsewhere."""

MOST_POSTPONED = 20_000
"""Sends of one process that may wait for accounts."""


class RequestObserver:
    """Sees what requests do, for metrics and traces. Must not block and must not raise."""

    def accepted(self, kind: SendKind, messages: int, *, seconds: float) -> None:
        """A send was accepted, `seconds` after it was requested."""

    def decided(self, sends: int, *, seconds: float) -> None:
        """One transaction of `seconds` has decided that many sends."""

    def refused(self, operation: str, refusal: str) -> None:
        """A field of the API was answered with an error: both by their names in the schema."""


class Acceptor:
    """Accepts all sends of this process: small ones in batches, large ones a few at a time."""

    def __init__(
        self,
        store: AcceptStore,
        *,
        batches_at_once: int = 2,
        large_at_once: int = 2,
        waiting_at_once: int = 4,
        patience_seconds: float = PATIENCE_SECONDS,
        observer: RequestObserver | None = None,
    ) -> None:
        """`waiting_at_once`: connections that may wait for keys, and as many for accounts."""
        self._store = store
        self._patience_seconds = patience_seconds
        self._observer = observer or RequestObserver()
        self._batcher = Batcher(
            self._accept_batch,
            longest_wait_seconds=patience_seconds,
            at_once=batches_at_once,
            turn_of=lambda send: send.payer.account_id,
        )
        self._large = asyncio.Semaphore(large_at_once)
        # Separate slots: a send that waits for a key must not take the slot of a large send.
        self._waiting_for_keys = asyncio.Semaphore(waiting_at_once)
        self._waiting_for_accounts = asyncio.Semaphore(waiting_at_once)
        self._with_options = asyncio.Semaphore(waiting_at_once)
        self._locked_accounts: dict[UUID, asyncio.Event] = {}
        self._postponed = 0

    def start(self) -> None:
        """Begins to accept. Call it once, at boot, never inside a request."""
        self._batcher.start()

    async def stop(self) -> None:
        """Decides what has arrived, then accepts no more."""
        await self._batcher.stop()

    @property
    def waiting(self) -> int:
        """How many sends wait for a transaction."""
        return self._batcher.waiting + self._postponed

    async def accept(self, send: NewSend) -> AcceptResult:
        """Charges and queues the send, or says why not. The result is durable."""
        asked_at = now_seconds()
        result = await self._accept(send, give_up_at=asked_at + self._patience_seconds)
        if isinstance(result, AcceptedNow):
            self._observer.accepted(send.kind, send.accepted, seconds=now_seconds() - asked_at)
        return result

    async def _accept(self, send: NewSend, *, give_up_at: float) -> AcceptResult:
        postponed: Postponed | None = None
        if send.payer.account_id in self._locked_accounts:
            postponed = Postponed(account_locked=True)  # do not delay another batch
        while True:
            if postponed is not None and postponed.account_locked:
                if self._postponed >= MOST_POSTPONED:
                    return Refused(RateLimited(1))
                await self._wait_for_account(send, give_up_at)
            if now_seconds() > give_up_at:
                return given_up(postponed.kept_id if postponed else None)
            result = await self._try(send, postponed)
            if not isinstance(result, Postponed):
                return result
            postponed = result

    async def _try(self, send: NewSend, postponed: Postponed | None) -> AcceptResult | Postponed:
        waits_for_key = postponed is not None and not postponed.account_locked
        if waits_for_key or (postponed is not None and postponed.kept_id is not None):
            assert postponed is not None
            async with self._waiting_for_keys:
                return await self._accept_alone(send, postponed.kept_id)
        if send.accepted >= COPY_FROM:
            async with self._large:
                return await self._accept_alone(send, None)
        if send.has_options:
            # It takes several statements more: they must not delay a batch.
            async with self._with_options:
                return await self._accept_alone(send, None)
        return await self._batcher.ask(send)

    async def _wait_for_account(self, send: NewSend, give_up_at: float) -> None:
        """Returns when the account is not locked elsewhere any more, or at `give_up_at`.

        One caller waits in the database. The others wait for that caller, without a connection.
        """
        account_id = send.payer.account_id
        unlocked = self._locked_accounts.get(account_id)
        self._postponed += 1
        try:
            async with asyncio.timeout(max(give_up_at - now_seconds(), 0)):
                if unlocked is not None:
                    await unlocked.wait()
                    return
                unlocked = self._locked_accounts[account_id] = asyncio.Event()
                try:
                    await self._lock_for_a_moment(send)
                finally:
                    del self._locked_accounts[account_id]
                    unlocked.set()
        except TimeoutError:
            return
        finally:
            self._postponed -= 1

    async def _lock_for_a_moment(self, send: NewSend) -> None:
        async with self._waiting_for_accounts:
            with suppress(LockTimeout, Disconnected):
                async with self._store.transaction() as tx:
                    ids = [send.payer.account_id]
                    await self._store.lock_accounts(tx, ids, wait_seconds=LONGEST_LOCK_WAIT_SECONDS)

    async def _accept_batch(self, sends: Sequence[NewSend]) -> list[AcceptResult | Postponed]:
        begun_at = now_seconds()
        results = await accept_batch(self._store, sends, patience_seconds=self._patience_seconds)
        self._observer.decided(len(sends), seconds=now_seconds() - begun_at)
        return results

    async def _accept_alone(self, send: NewSend, kept_id: UUID | None) -> AcceptResult | Postponed:
        begun_at = now_seconds()
        result = await accept_alone(
            self._store, send, patience_seconds=self._patience_seconds, kept_id=kept_id
        )
        self._observer.decided(1, seconds=now_seconds() - begun_at)
        return result
