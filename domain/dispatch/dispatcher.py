"""Dispatching: claims due messages, calls the provider, and has the outcomes recorded.

One dispatcher works for one provider account. Any number of them work side by side, in this
process and in others. No transaction and no connection is held during a call, and no failure makes
a message be submitted twice: see `claim` and `settlement`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf, isfinite
from uuid import UUID

from domain import ids
from domain.dispatch.claim import ClaimContext, Claimed, MarkLost, claim, claim_probe
from domain.dispatch.clock_watch import ClockWatch
from domain.dispatch.fairness import (
    BULK,
    LATE_SECONDS,
    PAUSE,
    PAUSE_OF_WHOLE,
    WHOLE_EVERY_SECONDS,
    QueueWatch,
    Turns,
)
from domain.dispatch.messages import EVER_SECONDS, Call, EndedCall, Waiting
from domain.dispatch.ports import WorkStore
from domain.dispatch.recording import Recorder, give_up_overdue, reject_expired, sweep
from domain.dispatch.rules import (
    Breaker,
    DispatchRules,
    Observer,
    Stage,
    is_clear,
    is_harmless,
    requested_pause,
)
from domain.ids import Kind, new_id
from domain.loops import Loop, now_seconds, pause_after
from domain.provider import NotSent, Outcome, Provider, Providers, Unknown
from domain.transactions import Failures

GATHER_SECONDS = 0.002
"""The wait for more slots to become free. One claim for many calls costs as much as for one."""

EXPIRE_EVERY_SECONDS = 5.0
PARTS_EVERY_SECONDS = 1.0
MOST_RELEASED = 2_000
"""Scheduled messages of one statement: a second's work of a fast provider account."""

MOST_DIVERTED = 1_000
"""Messages that one statement moves to the fallback accounts of their routes."""

NOT_STARTED = NotSent("The call was not started in time.")
GUARD_SECONDS = 1.0
"""A call is cancelled this long after its deadline if the adapter has not ended it."""

_log = logging.getLogger(__name__)


class DispatchRunner:
    """Submits what is queued, from `start` to `stop`: a dispatcher for each provider account.

    Also sweeps expired leases, gives up messages that have waited too long, and corrects times
    after the database's clock was set back, for all provider accounts.
    """

    def __init__(
        self,
        store: WorkStore,
        providers: Providers,
        *,
        rules: DispatchRules,
        observer: Observer | None = None,
    ) -> None:
        self._store = store
        self._providers = providers
        self._rules = rules
        self._observer = observer or Observer()
        self._id = new_id()
        self._running: dict[UUID, Dispatcher] = {}
        self._polled_at = -inf
        self._poll = self._loop("the queue poll", self._look, self._rules.poll_seconds, PAUSE)
        self._loops = [
            self._poll,
            self._loop("the whole queue", self._look_at_all, WHOLE_EVERY_SECONDS),
            self._loop("scheduled messages", self._release, self._rules.poll_seconds, PAUSE),
            self._loop("the sweep", self._sweep, self._rules.sweep_seconds),
            self._loop("parts of bulks", store.shorten_parts, PARTS_EVERY_SECONDS),
            self._loop("the clock watch", ClockWatch(store).look, self._rules.sweep_seconds),
            self._loop("giving up", self._give_up, self._rules.give_up_every_seconds),
            self._loop("ending validity", self._reject_expired, EXPIRE_EVERY_SECONDS),
        ]

    def _loop(
        self,
        name: str,
        step: Callable[[], Awaitable[bool]],
        every_seconds: float,
        least_rest: float = PAUSE_OF_WHOLE,
    ) -> Loop:
        """An open snapshot makes most of them slow, as `fairness` explains."""
        return Loop(name, step, every_seconds=every_seconds, least_rest=least_rest)

    def start(self) -> None:
        """Starts. Call it at boot, not inside a request."""
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Returns when all claimed messages are submitted and recorded."""
        await asyncio.gather(*(loop.stop() for loop in self._loops))
        await asyncio.gather(*(dispatcher.stop() for dispatcher in self._running.values()))

    def wake(self) -> None:
        """Looks at the queue at once."""
        self._poll.wake()

    async def _look(self) -> bool:
        """Wakes the dispatchers that have messages which became due lately."""
        began = now_seconds()
        since_seconds = min(began - self._polled_at + LATE_SECONDS, EVER_SECONDS)
        await self._wake(await self._store.accounts_with_queue(since_seconds=since_seconds))
        self._polled_at = began
        return False

    async def _look_at_all(self) -> bool:
        await self._wake(await self._store.accounts_with_queue())
        return False

    async def _wake(self, accounts: Sequence[UUID]) -> None:
        for provider_account_id in accounts:
            if provider_account_id not in self._running:
                self._running[provider_account_id] = self._started(provider_account_id)
            self._running[provider_account_id].wake()

    def _started(self, provider_account_id: UUID) -> Dispatcher:
        dispatcher = Dispatcher(
            self._providers,
            ClaimContext(
                store=self._store,
                observer=self._observer,
                rules=self._rules,
                provider_account_id=provider_account_id,
                dispatcher_id=self._id,
            ),
            Recorder(self._store, provider_account_id, rules=self._rules, observer=self._observer),
        )
        dispatcher.start()
        return dispatcher

    async def _release(self) -> bool:
        released = await self._store.release_scheduled(most=MOST_RELEASED)
        if released:
            self.wake()
        return released == MOST_RELEASED

    async def _sweep(self) -> bool:
        return await sweep(self._store, self._observer)

    async def _give_up(self) -> bool:
        more = [
            await give_up_overdue(self._store, provider_account_id, rules=self._rules)
            for provider_account_id in await self._store.accounts_with_queue()
        ]
        return any(more)

    async def _reject_expired(self) -> bool:
        more = [
            await reject_expired(self._store, provider_account_id)
            for provider_account_id in await self._store.accounts_with_queue()
        ]
        return any(more)


class Dispatcher:
    """Submits the messages of one provider account, from `start` to `stop`."""

    def __init__(self, providers: Providers, context: ClaimContext, recorder: Recorder) -> None:
        self._providers = providers
        self._context = context
        self._recorder = recorder
        self._rules = context.rules
        self._turns = Turns(self._rules.calls_at_once)
        self._woken = asyncio.Event()
        self._queue_watch = QueueWatch(
            context.store, context.provider_account_id, changed=self._woken.set
        )
        self._breaker = Breaker(
            opens_after=self._rules.breaker_opens_after,
            first_pause_seconds=self._rules.breaker_first_seconds,
            longest_pause_seconds=self._rules.breaker_longest_seconds,
        )
        self._open_calls: Counter[int] = Counter()
        self._under_way: Counter[int] = Counter()
        """Messages that are marked and not recorded, by priority."""
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._run_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts. Call it at boot, not inside a request."""
        self._recorder.start()
        self._run_task = asyncio.create_task(self._run(), name="dispatcher")
        self._woken.set()

    async def stop(self) -> None:
        """Claims nothing more. Returns when all claimed messages are submitted and recorded."""
        self._stopping.set()
        self._woken.set()
        self._recorder.hurry()
        if self._run_task is not None:
            await self._run_task
        await self._queue_watch.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._recorder.stop()

    def wake(self) -> None:
        """Claims at once: something may be due."""
        self._woken.set()

    async def _run(self) -> None:
        account = ids.encode(Kind.PROVIDER_ACCOUNT, self._context.provider_account_id)
        with Failures(_log, f"the dispatcher of {account}") as failures:
            await self._repeat(failures)

    async def _repeat(self, failures: Failures) -> None:
        while not self._stopping.is_set():
            await self._woken.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._woken.clear()
            try:
                while not self._stopping.is_set() and await self._claim():
                    pass
                failures.end()
            except Exception as failure:  # noqa: BLE001 - a dispatcher survives every failure
                failures.add(failure)
                await pause_after(failures.count, self._stopping)
                self._woken.set()

    async def _claim(self) -> bool:
        """Starts the calls that may start now. False if no more can start at the moment."""
        allowed, without = self._breaker.allows()
        free = min(allowed, self._free_slots())
        if free <= 0:
            return await self._rest()
        # Not cached here: the provider may have a new address or new credentials.
        provider = await self._providers.of(self._context.provider_account_id)
        with_bulk = self._bulk_left() >= self._rules.batch_of(provider.largest_batch)
        found = await self._queue_watch.waiting(self._turns.after(), with_bulk=with_bulk)
        waiting = [each for each in found if each.client_id != without]
        if not waiting:
            return await self._rest()
        claimed = await self._mark(provider, waiting, free)
        self._queue_watch.reached(claimed.reached)
        if claimed.calls:
            self._context.observer.reached(Stage.MARKED)
        self._start(provider, claimed)
        self._wake_in(claimed.wait_seconds)
        # A tenant that was remembered may have nothing more, while others wait.
        was_wrong = self._queue_watch.is_remembered and bool(claimed.reached)
        return bool(claimed.calls) or claimed.more or was_wrong

    async def _rest(self) -> bool:
        """Waits for the breaker, or for the next look at the queue. Returns False."""
        if self._breaker.is_open:
            await self._divert()
        self._wake_in(self._breaker.wait_seconds or self._queue_watch.wait_seconds)
        return False

    def _free_slots(self) -> int:
        """Calls that may start: 0 or less while too many messages are not recorded yet."""
        return min(
            self._rules.calls_at_once - self._open_calls.total(),
            self._rules.messages_under_way - self._under_way.total(),
        )

    def _bulk_left(self) -> int:
        """Bulk messages that may be marked: a crash makes at most this many UNKNOWN."""
        return self._rules.bulk_under_way - self._under_way[BULK]

    async def _mark(self, provider: Provider, waiting: Sequence[Waiting], free: float) -> Claimed:
        batch = self._rules.batch_of(provider.largest_batch)
        try:
            claimed = await claim(
                self._context,
                self._turns,
                waiting,
                batch=batch,
                open_calls=self._open_calls,
                most_calls=free,
                # Without a small call at the end, after which the next ones would not be full.
                most_bulk=self._bulk_left() // batch * batch,
            )
            if claimed.probe_due:
                return await claim_probe(self._context, self._turns, waiting)
            if claimed.refused:
                await self._divert()
            return claimed
        except MarkLost as lost:
            # The mark may have been committed. These calls end as not sent, which takes it back.
            self._start(provider, Claimed(lost.calls, marked_at=-inf))
            raise

    async def _divert(self) -> None:
        """Moves messages to their fallback accounts, because this account cannot send now."""
        while (
            await self._context.store.divert_queued(
                self._context.provider_account_id, most=MOST_DIVERTED
            )
            == MOST_DIVERTED
        ):
            pass

    def _start(self, provider: Provider, claimed: Claimed) -> None:
        for call in claimed.calls:
            self._open_calls[call.priority] += 1
            self._under_way[call.priority] += len(call.messages)
            is_try = self._breaker.started(call.client_id)
            task = asyncio.create_task(
                self._submit(provider, call, claimed, is_try=is_try), name="call"
            )
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, call))

    def _ended(self, call: Call, task: asyncio.Task[None]) -> None:
        self._under_way[call.priority] -= len(call.messages)
        self._tasks.discard(task)
        self._woken.set()

    async def _submit(
        self, provider: Provider, call: Call, claimed: Claimed, *, is_try: bool
    ) -> None:
        """Calls the provider and records the outcomes. The slot is free while they are recorded."""
        try:
            if now_seconds() - claimed.marked_at > self._rules.start_within_seconds:
                outcomes: Sequence[Outcome] = [NOT_STARTED] * len(call.messages)
                self._breaker.not_made(was_try=is_try)
            else:
                outcomes = await self._call(provider, call)
                self._inform_breaker(call, outcomes, was_try=is_try)
        finally:
            self._open_calls[call.priority] -= 1
            self._woken.set()
        by_message = zip((each.id for each in call.messages), outcomes, strict=True)
        ended = EndedCall(call.attempt_id, dict(by_message), is_probe=claimed.is_probe)
        await self._recorder.record(ended)
        self._context.observer.reached(Stage.RECORDED)

    async def _call(self, provider: Provider, call: Call) -> Sequence[Outcome]:
        """One outcome for each message, in the same order."""
        began = now_seconds()
        outcomes = await self._ask(provider, call)
        self._context.observer.called(
            self._context.provider_account_id, outcomes, seconds=now_seconds() - began
        )
        self._context.observer.reached(Stage.ANSWERED)
        return outcomes

    async def _ask(self, provider: Provider, call: Call) -> Sequence[Outcome]:
        messages = call.outgoing
        outcomes: Sequence[Outcome] = []
        try:
            async with asyncio.timeout(self._rules.deadline_seconds + GUARD_SECONDS):
                if len(messages) == 1:
                    outcomes = [await provider.send(messages[0])]
                else:
                    outcomes = await provider.send_many(messages)
        except Exception as failure:  # noqa: BLE001 - whatever it was, bytes may have been sent
            # The text of the exception is not logged: it can hold an address with secrets.
            _log.error("an adapter raised %s instead of an outcome", type(failure).__name__)
        if len(outcomes) != len(messages):
            return [Unknown("The call failed on our side.")] * len(messages)
        return outcomes

    def _inform_breaker(self, call: Call, outcomes: Sequence[Outcome], *, was_try: bool) -> None:
        was_open = self._breaker.is_open
        clear, harmless = is_clear(outcomes), is_harmless(outcomes)
        self._breaker.ended(call.client_id, clear=clear, was_try=was_try, harmless=harmless)
        pause_seconds = min(requested_pause(outcomes), self._rules.rest_longest_seconds)
        if pause_seconds > 0:
            self._breaker.pause(pause_seconds)
        if self._breaker.is_open != was_open:
            self._context.observer.breaker(
                self._context.provider_account_id, open_=self._breaker.is_open
            )

    def _wake_in(self, seconds: float) -> None:
        """Wakes after `seconds`, instead of at the time that was requested before."""
        if seconds > 0 and isfinite(seconds):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(seconds, self._woken.set)
