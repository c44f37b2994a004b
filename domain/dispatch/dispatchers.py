"""All dispatchers of one program: one for each provider account that has something to hand over.

Also what any of them does for all: sweeping leases that have passed, giving up what has waited too
long, and dating anew what a clock that went back has left ahead of itself.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from domain.dispatch.clock_watch import ClockWatch
from domain.dispatch.dispatch import Dispatcher
from domain.dispatch.handover import Handover
from domain.dispatch.observing import Observer
from domain.dispatch.ports import WorkStore
from domain.dispatch.record import give_up_overdue, sweep
from domain.ids import new_id
from domain.loops import Loop
from domain.provider import Providers


class Dispatchers:
    """Hands over what is queued, from `start` to `stop`."""

    def __init__(
        self,
        store: WorkStore,
        providers: Providers,
        *,
        rules: Handover | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._store = store
        self._providers = providers
        self._rules = rules or Handover()
        self._observer = observer or Observer()
        self._id = new_id()
        self._running: dict[UUID, Dispatcher] = {}
        self._poll = Loop("the poll", self._look, every_seconds=self._rules.poll_seconds)
        self._loops = [
            self._poll,
            Loop("the sweep", self._sweep, every_seconds=self._rules.sweep_seconds),
            Loop("the clock", ClockWatch(store).look, every_seconds=self._rules.sweep_seconds),
            Loop("giving up", self._give_up, every_seconds=self._rules.give_up_every_seconds),
        ]

    def start(self) -> None:
        """Begins to hand over. Call it at boot, not inside a request."""
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Returns when what has been claimed is called for and recorded."""
        await asyncio.gather(*(loop.stop() for loop in self._loops))
        await asyncio.gather(*(dispatcher.stop() for dispatcher in self._running.values()))

    def wake(self) -> None:
        """Something may be due: looks at once."""
        self._poll.wake()

    async def _look(self) -> bool:
        for provider_account_id in await self._store.accounts_with_queue():
            if provider_account_id not in self._running:
                self._running[provider_account_id] = self._started(provider_account_id)
            self._running[provider_account_id].wake()
        return False

    def _started(self, provider_account_id: UUID) -> Dispatcher:
        dispatcher = Dispatcher(
            self._store,
            self._providers,
            provider_account_id,
            dispatcher_id=self._id,
            rules=self._rules,
            observer=self._observer,
        )
        dispatcher.start()
        return dispatcher

    async def _sweep(self) -> bool:
        return await sweep(self._store, self._observer)

    async def _give_up(self) -> bool:
        more = [
            await give_up_overdue(self._store, provider_account_id, rules=self._rules)
            for provider_account_id in await self._store.accounts_with_queue()
        ]
        return any(more)
