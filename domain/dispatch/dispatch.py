"""Dispatching: claims what is due, calls the provider, records what came of it.

One dispatcher works for one provider account; any number of them work side by side, in this
program and in others. No transaction and no connection is held during a call, and whatever goes
wrong, no message is called for twice: see `claim` and `settlement`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import inf, isfinite
from uuid import UUID

from domain.clock import now_seconds
from domain.dispatch.breaker import Breaker, is_clear, rest_asked_for
from domain.dispatch.calls import Call
from domain.dispatch.claim import Claimed, Desk, MarkLost, claim, claim_probe
from domain.dispatch.fairness import BULK, Turns, Waiting
from domain.dispatch.handover import Handover
from domain.dispatch.observing import Observer, Stage
from domain.dispatch.ports import WorkStore
from domain.dispatch.record import Ended
from domain.dispatch.recording import Recorder
from domain.ids import new_id
from domain.loops import log_failure, pause_after
from domain.outcomes import NotSent, Outcome, Unknown
from domain.provider import Outgoing, Provider, Providers

TOGETHER_SECONDS = 0.002
"""How long is waited for more slots to become free: a claim costs the same for one as for all."""

NEVER_BEGUN = NotSent("The call was not started in time.")
GUARD_SECONDS = 1.0
"""How long after its deadline a call is broken off from here, should the adapter not do it."""

_log = logging.getLogger(__name__)


class Dispatcher:
    """Hands over the messages of one provider account, from `start` to `stop`."""

    def __init__(
        self,
        store: WorkStore,
        providers: Providers,
        provider_account_id: UUID,
        *,
        dispatcher_id: UUID | None = None,
        rules: Handover | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._rules = rules or Handover()
        self._observer = observer or Observer()
        self._providers = providers
        self._desk = Desk(
            store=store,
            observer=self._observer,
            rules=self._rules,
            provider_account_id=provider_account_id,
            dispatcher_id=dispatcher_id or new_id(),
        )
        self._turns = Turns(self._rules.calls_at_once)
        self._breaker = Breaker(
            opens_after=self._rules.breaker_opens_after,
            first_pause_seconds=self._rules.breaker_first_seconds,
            longest_pause_seconds=self._rules.breaker_longest_seconds,
        )
        self._recorder = Recorder(
            store, provider_account_id, rules=self._rules, observer=self._observer
        )
        self._open_calls: Counter[int] = Counter()
        self._under_way: Counter[int] = Counter()
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._run_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to hand over. Call it at boot, not inside a request."""
        self._recorder.start()
        self._run_task = asyncio.create_task(self._run(), name="dispatcher")
        self._woken.set()

    async def stop(self) -> None:
        """Claims nothing more; returns when what has been claimed is called for and recorded."""
        self._stopping.set()
        self._woken.set()
        self._recorder.hurry()
        if self._run_task is not None:
            await self._run_task
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._recorder.stop()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            await self._woken.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            self._woken.clear()
            try:
                while not self._stopping.is_set() and await self._claim():
                    pass
                failures = 0
            except Exception as failure:  # noqa: BLE001 - a dispatcher outlives any failure
                failures += 1
                log_failure(_log, "the dispatcher", failure, failures)
                await pause_after(failures, self._stopping)
                self._woken.set()

    async def _claim(self) -> bool:
        """Starts what may be started now. False where nothing more can be for the moment."""
        free = min(self._breaker.allowance, self._free_slots())
        if free <= 0:
            self._wake_in(self._breaker.wait_seconds)
            return False
        waiting = await self._desk.store.tenants_waiting(
            self._desk.provider_account_id, after=self._turns.after(), most=int(free)
        )
        # Asked for each time: it may have moved, or have got new credentials.
        provider = await self._providers.of(self._desk.provider_account_id)
        if self._bulk_room() < self._rules.batch_of(provider.largest_batch):
            waiting = [each for each in waiting if each.priority != BULK]
        if not waiting:
            return False
        claimed = await self._mark(provider, waiting, free)
        if claimed.calls:
            self._observer.reached(Stage.MARKED)
        self._start(provider, claimed)
        self._wake_in(claimed.wait_seconds)
        return bool(claimed.calls)

    def _bulk_room(self) -> int:
        return self._rules.bulk_under_way - self._under_way[BULK]

    def _free_slots(self) -> int:
        """Calls that may start. None while the database lags behind with recording."""
        return min(
            self._rules.calls_at_once - self._open_calls.total(),
            self._rules.messages_under_way - self._under_way.total(),
        )

    async def _mark(self, provider: Provider, waiting: Sequence[Waiting], free: float) -> Claimed:
        try:
            claimed = await claim(
                self._desk,
                self._turns,
                waiting,
                batch=self._rules.batch_of(provider.largest_batch),
                open_calls=self._open_calls,
                most_calls=free,
                most_bulk=self._bulk_room(),
            )
            return claimed if not claimed.probe_due else await self._mark_probe(waiting)
        except MarkLost as lost:
            # Should the mark have been kept after all, it is taken back: nothing has left.
            self._start(provider, Claimed(lost.calls, marked_at=-inf))
            raise

    async def _mark_probe(self, waiting: Sequence[Waiting]) -> Claimed:
        return await claim_probe(self._desk, self._turns, waiting)

    def _start(self, provider: Provider, claimed: Claimed) -> None:
        for call in claimed.calls:
            self._open_calls[call.priority] += 1
            self._under_way[call.priority] += len(call.messages)
            is_try = self._breaker.started()
            task = asyncio.create_task(
                self._hand_over(provider, call, claimed, is_try=is_try), name="call"
            )
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, call))

    def _ended(self, call: Call, task: asyncio.Task[None]) -> None:
        self._under_way[call.priority] -= len(call.messages)
        self._tasks.discard(task)
        self._woken.set()

    async def _hand_over(
        self, provider: Provider, call: Call, claimed: Claimed, *, is_try: bool
    ) -> None:
        """Calls the provider and records what came of it; its slot is free in between."""
        try:
            if now_seconds() - claimed.marked_at > self._rules.start_within_seconds:
                outcomes: Sequence[Outcome] = [NEVER_BEGUN] * len(call.messages)
                self._breaker.not_made(was_try=is_try)
            else:
                outcomes = await self._call(provider, call)
                self._tell_breaker(outcomes, was_try=is_try)
        finally:
            self._open_calls[call.priority] -= 1
            self._woken.set()
        by_message = zip((each.id for each in call.messages), outcomes, strict=True)
        ended = Ended(call.attempt_id, dict(by_message), is_probe=claimed.is_probe)
        await self._recorder.record(ended)
        self._observer.reached(Stage.RECORDED)

    async def _call(self, provider: Provider, call: Call) -> Sequence[Outcome]:
        """One outcome a message, same order."""
        began = now_seconds()
        outcomes = await self._ask(provider, [each.outgoing for each in call.messages])
        self._observer.called(
            self._desk.provider_account_id, outcomes, seconds=now_seconds() - began
        )
        self._observer.reached(Stage.ANSWERED)
        return outcomes

    async def _ask(self, provider: Provider, messages: Sequence[Outgoing]) -> Sequence[Outcome]:
        outcomes: Sequence[Outcome] = []
        try:
            async with asyncio.timeout(self._rules.deadline_seconds + GUARD_SECONDS):
                if len(messages) == 1:
                    outcomes = [await provider.send(messages[0])]
                else:
                    outcomes = await provider.send_many(messages)
        except Exception as failure:  # noqa: BLE001 - whatever it was, something may have left
            # Its words are not logged: an address with secrets in it could stand in them.
            _log.error("a call failed as no adapter should let it: %s", type(failure).__name__)
        if len(outcomes) != len(messages):
            return [Unknown("The call failed on our side.")] * len(messages)
        return outcomes

    def _tell_breaker(self, outcomes: Sequence[Outcome], *, was_try: bool) -> None:
        was_open = self._breaker.is_open
        self._breaker.ended(clear=is_clear(outcomes), was_try=was_try)
        asked_for = min(rest_asked_for(outcomes), self._rules.rest_longest_seconds)
        if asked_for > 0:
            self._breaker.rest(asked_for)
        if self._breaker.is_open != was_open:
            self._observer.breaker(self._desk.provider_account_id, open_=self._breaker.is_open)

    def _wake_in(self, seconds: float) -> None:
        """Wakes once, at the last moment asked for: what comes sooner wakes by itself."""
        if seconds > 0 and isfinite(seconds):
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._woken.set)
