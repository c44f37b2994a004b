"""The background work of a process that dispatches: sending, receiving, purging."""

from __future__ import annotations

import asyncio
from typing import Protocol

from domain.dispatch.cancel import finish_cancel
from domain.dispatch.dispatcher import DispatchRunner
from domain.dispatch.jobs import JobWriter
from domain.dispatch.lost import LostAnswerWatch
from domain.dispatch.ports import WorkStore
from domain.dispatch.rules import DispatchRules, Observer
from domain.hooks.deliveries import HookRules
from domain.hooks.ports import HookUpkeep
from domain.identity.ports import IdentityUpkeep
from domain.inbox.capture import capture_contacts
from domain.inbox.inbound import Receiver
from domain.inbox.polling import Poller, PollRules, PollStore
from domain.inbox.ports import ReceivingStore
from domain.inbox.receive import receive_due
from domain.ledger.ports import LowBalances
from domain.loops import Loop
from domain.provider import Providers
from domain.sending.files.table import KEPT_SECONDS
from domain.sending.ports import Uploads

RECEIVE_SECONDS = 0.2
JOB_SECONDS = 0.5
CANCEL_SECONDS = 5.0
CAPTURE_SECONDS = 1.0
PURGE_SECONDS = 60.0
FOLD_SECONDS = 5.0
POLL_SECONDS = 10.0
LOST_SECONDS = 5.0
LOW_BALANCE_SECONDS = 2.0
MONTHS_SECONDS = 3600.0
FINISHED_SECONDS = 0.5
KEPT_KEY_SECONDS = 25 * 3600.0
"""Keys are valid for 24 hours. The extra hour lets a retry at the last moment find its key."""

MOST_PURGED = 10_000
MOST_UPLOADS_PURGED = 100


class WorkersStore(
    PollStore,
    ReceivingStore,
    WorkStore,
    Uploads,
    IdentityUpkeep,
    LowBalances,
    HookUpkeep,
    Protocol,
):
    """What the workers need from the store."""

    async def make_partitions(self) -> bool:
        """Makes what is stored by month ready for the next one. True if there may be more."""


class Workers:
    """All background work. Start it at boot: a task inherits the context of its creator."""

    def __init__(
        self,
        store: WorkersStore,
        providers: Providers,
        receiver: Receiver,
        *,
        rules: DispatchRules,
        observer: Observer,
        polling: PollRules | None = None,
        jobs: JobWriter | None = None,
    ) -> None:
        self._store = store
        self._receiver = receiver
        self._dispatchers = DispatchRunner(store, providers, rules=rules, observer=observer)
        self._poller = Poller(store, providers, polling or PollRules())
        self._lost = LostAnswerWatch(store, providers)
        self._receiving = Loop("receiving", self._receive, every_seconds=RECEIVE_SECONDS)
        self._jobs = jobs
        writing = [Loop("writing jobs", jobs.step, every_seconds=JOB_SECONDS)] if jobs else []
        self._loops = [
            self._receiving,
            *writing,
            Loop("capturing contacts", self._capture, every_seconds=CAPTURE_SECONDS),
            Loop("purging keys", self._purge, every_seconds=PURGE_SECONDS),
            Loop("folding tallies", store.fold_tallies, every_seconds=FOLD_SECONDS),
            Loop("summing singles", store.sum_singles, every_seconds=FOLD_SECONDS),
            Loop("purging uploads", self._purge_uploads, every_seconds=PURGE_SECONDS),
            Loop("purging sign-ins", self._purge_sign_ins, every_seconds=PURGE_SECONDS),
            Loop("purging webhooks", self._purge_hooks, every_seconds=PURGE_SECONDS),
            Loop(
                "queueing finished sends",
                store.queue_finished_sends,
                every_seconds=FINISHED_SECONDS,
            ),
            Loop("finishing cancels", self._finish_cancels, every_seconds=CANCEL_SECONDS),
            Loop("making months", store.make_partitions, every_seconds=MONTHS_SECONDS),
            Loop("asking for statuses", self._poller.poll, every_seconds=POLL_SECONDS),
            Loop("settling lost answers", self._lost.look, every_seconds=LOST_SECONDS),
            Loop(
                "noticing low balances",
                store.notice_low_balances,
                every_seconds=LOW_BALANCE_SECONDS,
            ),
        ]

    def start(self) -> None:
        """Starts all loops."""
        self._dispatchers.start()
        for loop in self._loops:
            loop.start()

    def wake(self) -> None:
        """Receives stored webhook events now, without waiting for the next step."""
        self._receiving.wake()

    async def stop(self) -> None:
        """Returns when running calls are recorded and each loop has finished its step."""
        self._poller.stop()
        self._lost.stop()
        await asyncio.gather(self._dispatchers.stop(), *(loop.stop() for loop in self._loops))
        if self._jobs is not None:
            await self._jobs.close()

    async def _receive(self) -> bool:
        return await receive_due(self._receiver)

    async def _capture(self) -> bool:
        return await capture_contacts(self._store)

    async def _finish_cancels(self) -> bool:
        return await finish_cancel(self._store)

    async def _purge(self) -> bool:
        purged = await self._store.purge_keys(age_seconds=KEPT_KEY_SECONDS, most=MOST_PURGED)
        return purged == MOST_PURGED

    async def _purge_sign_ins(self) -> bool:
        changes = await self._store.purge_changes(most=MOST_PURGED)
        return MOST_PURGED in (changes, await self._store.purge_sign_ins(most=MOST_PURGED))

    async def _purge_hooks(self) -> bool:
        rules, most = HookRules(), MOST_PURGED
        failed = await self._store.fail_overdue_deliveries(
            age_seconds=rules.give_up_seconds, most=most
        )
        purged = await self._store.purge_deliveries(age_seconds=rules.kept_seconds, most=most)
        return most in (failed, purged)

    async def _purge_uploads(self) -> bool:
        most = MOST_UPLOADS_PURGED
        return await self._store.purge_uploads(age_seconds=KEPT_SECONDS, most=most) == most
