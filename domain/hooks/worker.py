"""Posts the deliveries of client webhooks.

A worker claims endpoints, not deliveries: while it holds an endpoint, it alone posts to it. So it
knows what is in flight, keeps the order of each subject, and limits how many requests one endpoint
gets at a time. Nothing is written before a request: if the worker dies, another one claims the
endpoint when the lease ends and posts again what was not recorded (at least once).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.hooks.deliveries import (
    DueDelivery,
    HookAnswer,
    HookRules,
    Recorded,
    recorded,
)
from domain.hooks.ports import HookCipher, HookFormat, HookSender, HookStore
from domain.hooks.subjects import read_subjects
from domain.ids import new_id
from domain.ledger.credentials import CredentialsUnreadable
from domain.loops import Loop

TURN_SECONDS = 0.2
RECORD_SECONDS = 0.05
"""How long a result waits for others, to be recorded with them."""

MOST_CLAIMED = 1_000
FIRST_AT_ONCE = 2
LOST = "What the event is about no longer exists."
UNREADABLE = "The signing secret cannot be read. Rotate it."

log = logging.getLogger("ibiki.hooks")


class HookObserver:
    """Counts attempts, for metrics. This one counts nothing."""

    def attempted(self, result: Recorded) -> None:
        """An attempt has ended."""


@dataclass(slots=True)
class HeldEndpoint:
    """An endpoint that this worker holds, and what it knows of it.

    `limit`: requests at a time. It grows with each success and falls to one after a failure.
    """

    held_until: float
    limit: int = FIRST_AT_ONCE
    is_proven: bool = False
    failed_at: float = 0.0
    was_slow: bool = False
    in_flight: dict[UUID, float] = field(default_factory=dict)

    def is_slow(self, now: float, slow_seconds: float) -> bool:
        """Whether it may only use the share of the slow ones: it is slow, failing or new."""
        if not self.is_proven or self.was_slow:
            return True
        return any(now - started > slow_seconds for started in self.in_flight.values())

    def succeeded(self, seconds: float, rules: HookRules) -> None:
        """Notes a success."""
        self.is_proven, self.was_slow = True, seconds > rules.slow_seconds
        self.limit = min(self.limit + 1, rules.endpoint_at_once)

    def failed(self, started: float) -> bool:
        """Notes a failure. False if it began before the last one: the same cause counts once."""
        counts = started >= self.failed_at
        self.is_proven, self.limit = False, 1
        if counts:
            self.failed_at = time.monotonic()
        return counts


class Deliverer:
    """One worker. Any number of them may run, in any number of processes."""

    def __init__(
        self,
        store: HookStore,
        sender: HookSender,
        formats: Mapping[str, HookFormat],
        cipher: HookCipher,
        *,
        rules: HookRules | None = None,
        observer: HookObserver | None = None,
    ) -> None:
        self._store = store
        self._sender = sender
        self._formats = formats
        self._cipher = cipher
        self._rules = rules or HookRules()
        self._observer = observer or HookObserver()
        self._id = new_id()
        self._held: dict[UUID, HeldEndpoint] = {}
        self._decrypted: dict[tuple[UUID, bytes], str] = {}
        self._claimed_at = -TURN_SECONDS
        self._results: list[Recorded] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = Loop("delivering webhooks", self.step, every_seconds=TURN_SECONDS)
        self._waking: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts to deliver."""
        self._loop.start()

    async def stop(self) -> None:
        """Returns when the requests in flight are answered and recorded."""
        await self._loop.stop()
        if self._waking is not None:
            self._waking.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._record()
        await self._store.release_endpoints(self._id)

    async def step(self) -> bool:
        """Records what was answered, and posts what is due. True if more are due."""
        await self._record()
        await self._claim()
        now = time.monotonic()
        rules, held = self._rules, self._held
        slow = {id for id, each in held.items() if each.is_slow(now, rules.slow_seconds)}
        more_slow = await self._post_due(slow, rules.slow_at_once - self._count(slow))
        fast = held.keys() - slow
        more_fast = await self._post_due(fast, rules.at_once - self._count(held))
        return more_slow or more_fast

    async def _record(self) -> None:
        results = list(self._results)
        if not results:
            return
        await self._store.record_deliveries(results, self._rules)
        del self._results[: len(results)]
        for each in results:
            # Only now: the next one of its subject must not start before this one is recorded.
            self._held[each.delivery.endpoint_id].in_flight.pop(each.delivery.id, None)

    async def _claim(self) -> None:
        now = time.monotonic()
        if now - self._claimed_at < TURN_SECONDS:
            return
        lease = self._rules.lease_seconds
        claimed = await self._store.claim_endpoints(
            self._id, lease_seconds=lease, most=MOST_CLAIMED
        )
        self._claimed_at = now  # if the claim fails, the next step repeats it, and fails as well
        for each in claimed:
            self._held.setdefault(each, HeldEndpoint(now)).held_until = now + lease
        for each, endpoint in list(self._held.items()):
            if endpoint.held_until < now and not endpoint.in_flight:
                del self._held[each]

    async def _post_due(self, endpoints: set[UUID], most: int) -> bool:
        now = time.monotonic()
        # A request must end before its lease does.
        safe_until = now + self._rules.deadline_seconds + 1
        wanted = {
            each: free
            for each in endpoints
            if (free := self._held[each].limit - len(self._held[each].in_flight)) > 0
            and self._held[each].held_until > safe_until
        }
        if not wanted or most <= 0:
            return False
        in_flight = [id for each in wanted for id in self._held[each].in_flight]
        due = await self._store.pick_deliveries(self._id, wanted, in_flight=in_flight, most=most)
        if not due:
            return False
        subjects = await read_subjects(self._store, due)
        for each in due:
            endpoint = self._held[each.endpoint_id]
            if each.is_proven and not each.endpoint_failures and not endpoint.failed_at:
                endpoint.is_proven = True
            endpoint.in_flight[each.id] = time.monotonic()
            task = asyncio.create_task(self._deliver(each, subjects.get(each.id), endpoint))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(due) == most

    async def _deliver(self, delivery: DueDelivery, subject: Any, endpoint: HeldEndpoint) -> None:
        started = time.monotonic()
        try:
            answer = await self._answer(delivery, subject)
        except Exception:
            log.exception("a delivery of a webhook failed")
            answer = HookAnswer(None, error="The event could not be written.", ours=True)
        if answer.is_success:
            endpoint.succeeded(answer.duration_seconds, self._rules)
            counts = True
        else:
            counts = not answer.ours and endpoint.failed(started)
        result = recorded(delivery, answer, self._rules, counts=counts)
        self._observer.attempted(result)
        self._results.append(result)
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(RECORD_SECONDS, self._wake)

    async def _answer(self, delivery: DueDelivery, subject: Any) -> HookAnswer:
        if subject is None:
            return HookAnswer(None, error=LOST, ours=True, is_final=True)
        try:
            secrets = self._secrets(delivery)
        except CredentialsUnreadable:
            return HookAnswer(None, error=UNREADABLE, ours=True)
        request = await self._formats[delivery.format].request(delivery, subject, secrets)
        return await self._sender.post(delivery.url, request)

    def _secrets(self, delivery: DueDelivery) -> Sequence[str]:
        return [self._secret(delivery.endpoint_id, each) for each in delivery.secrets]

    def _secret(self, endpoint_id: UUID, encrypted: bytes) -> str:
        """The decrypted secret, cached: decrypting takes longer than signing."""
        key = (endpoint_id, encrypted)
        if key not in self._decrypted:
            if len(self._decrypted) >= MOST_CLAIMED:
                self._decrypted.clear()
            self._decrypted[key] = self._cipher.decrypt_secret(endpoint_id, encrypted)
        return self._decrypted[key]

    def _wake(self) -> None:
        self._waking = None
        self._loop.wake()

    def _count(self, endpoints: Iterable[UUID]) -> int:
        """The requests in flight to these endpoints."""
        return sum(len(self._held[each].in_flight) for each in endpoints)
