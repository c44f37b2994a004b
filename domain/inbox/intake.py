"""Takes webhook events in: parses each call, stores it as it came, and answers, many at a time.

Nothing is routed here: `domain.inbox.receive` reads the stored events later. While the database is
unavailable, no event is answered as stored, so that the provider sends it again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from domain.errors import TryAgain
from domain.inbox.ports import EventStore
from domain.inbox.webhooks import NewEvent, Parsers, WebhookOutcome, new_event
from domain.loops import Batcher, Loop
from domain.transactions import UNAVAILABLE

LARGEST_BATCH = 500
STORE_SECONDS = 5.0
"""How long a provider waits for a database that does not answer."""

COUNT_SECONDS = 1.0
"""Time between two writes of the refusal counts."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that is stored. `invalid`: why it cannot be received."""

    outcome: WebhookOutcome
    invalid: str | None = None


class Intake:
    """Stores the events of this process and counts those that are refused."""

    def __init__(self, store: EventStore, parsers: Parsers) -> None:
        self._store = store
        self._parsers = parsers
        self._batcher: Batcher[NewEvent, WebhookOutcome | None] = Batcher(
            self._store_batch, largest=LARGEST_BATCH
        )
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._counting = Loop(
            "counting refusals", self._write_refusals, every_seconds=COUNT_SECONDS
        )
        self._listeners: list[Callable[[], None]] = []

    def start(self) -> None:
        """Starts the tasks. Call this at boot: a task inherits the context of its creator."""
        self._batcher.start()
        self._counting.start()

    async def stop(self) -> None:
        """Stores what has arrived, then refuses more."""
        await self._batcher.stop()
        await self._counting.stop()
        with suppress(*UNAVAILABLE):  # the last counts can be lost
            await self._write_refusals()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls the listener whenever an event is stored that has to be received."""
        self._listeners.append(listener)

    async def take(
        self, provider: str, body: bytes, *, provider_account_id: UUID | None = None
    ) -> StoredEvent:
        """Stores a call of a provider. Durable when it returns; safe to repeat.

        `provider_account_id`: the account that it is about, if that is known. Raises TryAgain while
        the database is unavailable, RateLimited while too many events wait.
        """
        parsed = self._parsers[provider](body)
        event = new_event(provider, parsed, body, provider_account_id=provider_account_id)
        outcome = await self._batcher.ask(event)
        if outcome is None:
            raise TryAgain
        if outcome is WebhookOutcome.UNROUTED:
            for listener in self._listeners:
                listener()
        return StoredEvent(outcome, event.invalid)

    def refuse(self, provider: str, reason: str) -> None:
        """Counts a refused call. Its content is not kept."""
        self._refusals[provider, reason] += 1

    async def _store_batch(self, events: Sequence[NewEvent]) -> Sequence[WebhookOutcome | None]:
        """One outcome per event. None for each if the database is unavailable.

        It does not raise then, because the batcher would store every event alone.
        """
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._store.store_events(events)
        except (*UNAVAILABLE, TimeoutError):
            return [None] * len(events)

    async def _write_refusals(self) -> bool:
        counts, self._refusals = self._refusals, Counter()
        if not counts:
            return False
        try:
            await self._store.count_refusals(counts)
        except BaseException:
            self._refusals.update(counts)
            raise
        return False
