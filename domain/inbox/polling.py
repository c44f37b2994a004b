"""Asks for the status of messages if the provider sends no delivery reports by itself.

Messages are queried in rounds by age, at growing intervals, a few calls per second, and no more
after 48 hours. A round is a position in the order of messages that moves on. So nothing is kept
per message, and the accept path has no extra cost. Scheduled messages have their own rounds, in
the order of their times: they were accepted up to 30 days before they are sent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from domain.errors import ProviderUnavailable
from domain.inbox.ports import Reports
from domain.inbox.reports import change_of, is_returned, refund
from domain.inbox.webhooks import PollBatch, PollPosition, ReportedChange, ReportedMessage
from domain.loops import now_seconds, wait_for
from domain.provider import Provider, Providers, ReportedStatus, SupportsStatus
from domain.transactions import Transaction

MINUTE, HOUR = 60.0, 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRules:
    """When a message is queried: once at each of these ages.

    `calls_per_second`: 0 means never. `rest_seconds`: the pause after a provider could not be
    queried. `tries`: after that many failed queries of one message, its round continues with the
    next: the provider may fail for this message only.
    """

    ages_seconds: Sequence[float] = (
        MINUTE,
        5 * MINUTE,
        15 * MINUTE,
        HOUR,
        4 * HOUR,
        12 * HOUR,
        24 * HOUR,
        47 * HOUR,
    )
    oldest_seconds: float = 48 * HOUR
    calls_per_second: float = 5.0
    batch_messages: int = 10
    lease_seconds: float = 120.0
    rest_seconds: float = 60.0
    tries: int = 3


class PollStore(Reports, Protocol):
    """Rounds of status queries, and how far each of them has come."""

    async def provider_account_ids(self) -> list[UUID]:
        """All provider accounts."""

    async def has_later(self, provider_account_id: UUID) -> bool:
        """Whether messages that were scheduled are SENT or UNKNOWN."""

    async def claim_poll(
        self,
        provider_account_id: UUID,
        round_: int,
        *,
        later: bool,
        youngest_seconds: float,
        oldest_seconds: float,
        most: int,
        lease_seconds: float,
    ) -> PollBatch | None:
        """Claims the next batch of a round, None if another process has claimed it.

        It holds messages between these ages that are SENT or UNKNOWN and have a reference. `later`:
        those that were scheduled, whose age counts from their time; else all others, whose age
        counts from when they were accepted.
        """

    async def finish_poll(
        self, provider_account_id: UUID, round_: int, until: PollPosition, *, later: bool
    ) -> None:
        """Saves how far the round has come, and releases the claim."""

    async def lock_polled(
        self, tx: Transaction, message_ids: Sequence[UUID]
    ) -> list[ReportedMessage]:
        """Locks the messages, in ID order."""


class Poller:
    """Queries the statuses of one process's share of the messages."""

    def __init__(self, store: PollStore, providers: Providers, rules: PollRules) -> None:
        self._store = store
        self._providers = providers
        self._rules = rules
        self._stopping = asyncio.Event()
        self._rests_until: dict[UUID, float] = {}
        self._failed: Counter[UUID] = Counter()
        """Failed queries by message."""

    def stop(self) -> None:
        """Stops querying. Statuses that are known already are written."""
        self._stopping.set()

    async def poll(self) -> bool:
        """Queries the next batch of each round of each account. True if there may be more."""
        if self._rules.calls_per_second <= 0:
            return False
        more = False
        for account_id in await self._store.provider_account_ids():
            provider = await self._provider(account_id)
            if isinstance(provider, SupportsStatus):
                more |= await self._poll_account(account_id, provider)
        return more and not self._stopping.is_set()

    async def _poll_account(self, account_id: UUID, provider: SupportsStatus) -> bool:
        more = False
        orders = (False, True) if await self._store.has_later(account_id) else (False,)
        for later in orders:
            for round_ in range(len(self._rules.ages_seconds)):
                if self._may_ask(account_id):
                    more |= await self._poll_round(account_id, provider, round_, later=later)
        return more

    async def _provider(self, account_id: UUID) -> Provider | None:
        try:
            return await self._providers.of(account_id)
        except ProviderUnavailable:
            return None

    def _may_ask(self, account_id: UUID) -> bool:
        rests = now_seconds() < self._rests_until.get(account_id, 0.0)
        return not rests and not self._stopping.is_set()

    async def _poll_round(
        self, account_id: UUID, provider: SupportsStatus, round_: int, *, later: bool
    ) -> bool:
        rules = self._rules
        batch = await self._store.claim_poll(
            account_id,
            round_,
            later=later,
            youngest_seconds=rules.ages_seconds[round_],
            oldest_seconds=rules.oldest_seconds,
            most=rules.batch_messages,
            lease_seconds=rules.lease_seconds,
        )
        if batch is None:
            return False
        statuses, until = await self._ask(account_id, provider, batch)
        if statuses:
            await self._write(account_id, statuses)
        await self._store.finish_poll(account_id, round_, until, later=later)
        return until != batch.after

    async def _ask(
        self, account_id: UUID, provider: SupportsStatus, batch: PollBatch
    ) -> tuple[dict[UUID, ReportedStatus], PollPosition]:
        """The statuses by message, and the position of the last message that is done."""
        statuses: dict[UUID, ReportedStatus] = {}
        until = batch.after
        for message in batch.messages:
            if self._stopping.is_set():
                return statuses, until
            try:
                status = await provider.status(message.reference)
            except ProviderUnavailable:
                self._rests_until[account_id] = now_seconds() + self._rules.rest_seconds
                self._failed[message.id] += 1
                if self._failed[message.id] < self._rules.tries:
                    return statuses, until
                del self._failed[message.id]
                return statuses, message.position
            self._failed.pop(message.id, None)
            if status is not None:
                statuses[message.id] = status
            until = message.position
            await wait_for(self._stopping, 1 / self._rules.calls_per_second)
        return statuses, batch.until

    async def _write(self, account_id: UUID, statuses: dict[UUID, ReportedStatus]) -> None:
        async with self._store.transaction() as tx:
            accounts = []
            if ReportedStatus.RETURNED in statuses.values():
                # Before the messages, like all code that refunds.
                accounts = [await self._store.lock_provider_account(tx, account_id)]
            found = await self._store.lock_polled(tx, list(statuses))
            changes = {
                each.message_id: change_of(each, statuses[each.message_id]) for each in found
            }
            changed = [each for each in changes.values() if each is not None]
            if changed:
                await self._store.write_reported(tx, changed)
            after = [_changed(each, changes[each.message_id]) for each in found]
            returned = [each for each in after if is_returned(each, statuses[each.message_id])]
            ids = {each.message_id for each in returned}
            await refund(self._store, tx, accounts, returned, returned=ids)


def _changed(message: ReportedMessage, change: ReportedChange | None) -> ReportedMessage:
    return message if change is None else replace(message, status=change.status)
