"""Taking in what providers call us with: read, stored as it is, and answered, many at a time.

Nothing is routed here. An event that is answered is stored durably; whoever receives does so later,
from the table. While the database is away nothing is answered as taken: the provider tries again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from domain.errors import TryAgain
from domain.ids import new_id
from domain.inbox.ports import Events
from domain.inbox.webhooks import Malformed, NewEvent, Parsers, WebhookOutcome, key_of
from domain.loops import AWAY, Loop
from domain.sending.batcher import Batcher

LARGEST_BATCH = 500
STORE_SECONDS = 5.0
"""How long a provider is kept waiting for a database that does not answer."""

TELL_SECONDS = 1.0
"""Between two times that refusals are written down."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """An event that is stored. `invalid`: why it cannot be received."""

    outcome: WebhookOutcome
    invalid: str | None = None


class Intake:
    """The way in for all events of this process, and the tally of those that are refused."""

    def __init__(self, store: Events, parsers: Parsers) -> None:
        self._store = store
        self._parsers = parsers
        self._batcher: Batcher[NewEvent, WebhookOutcome | None] = Batcher(
            self._store_together, largest=LARGEST_BATCH
        )
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._tally = Loop("counting refusals", self._tell, every_seconds=TELL_SECONDS)
        self._listeners: list[Callable[[], None]] = []

    @property
    def providers(self) -> frozenset[str]:
        """Who may call."""
        return frozenset(self._parsers)

    def start(self) -> None:
        """Begins to take in. Call it once, at boot: never from inside a request."""
        self._batcher.start()
        self._tally.start()

    async def stop(self) -> None:
        """Stores what has arrived, then takes in no more."""
        await self._batcher.stop()
        await self._tally.stop()
        with suppress(*AWAY):  # the tally of a last moment is not worth waiting for
            await self._tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Has somebody told whenever there is something to receive."""
        self._listeners.append(listener)

    async def take(self, provider: str, body: bytes) -> TakenIn:
        """Stores what a provider says. Durable once answered; safe to repeat.

        Raises TryAgain while the database is away, RateLimited while too much is waiting.
        """
        parsed = self._parsers[provider](body)
        invalid = parsed.reason if isinstance(parsed, Malformed) else None
        key = key_of(provider, parsed, body)
        outcome = await self._batcher.ask(NewEvent(new_id(), provider, key, body, invalid))
        if outcome is None:
            raise TryAgain
        if outcome is WebhookOutcome.UNROUTED:
            for listener in self._listeners:
                listener()
        return TakenIn(outcome, invalid)

    def refuse(self, provider: str, reason: str) -> None:
        """Counts an event that is not let in: nothing of what it says is kept."""
        self._refusals[provider, reason] += 1

    async def _store_together(self, events: Sequence[NewEvent]) -> Sequence[WebhookOutcome | None]:
        """One outcome an event; None for each where the database is away: none is poisoned."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._store.store_events(events)
        except (*AWAY, TimeoutError):
            return [None] * len(events)

    async def _tell(self) -> bool:
        told, self._refusals = self._refusals, Counter()
        if not told:
            return False
        try:
            await self._store.count_refusals(told)
        except BaseException:
            self._refusals.update(told)
            raise
        return False
