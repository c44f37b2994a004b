"""Asking what became of messages, where a provider tells nothing by itself.

Gently: in rounds by age, ever further apart, a few calls a second, and no more after 48 hours. A
round is a place in the order of messages that moves on, so that asking keeps nothing for each
message and costs the way of a message to the provider nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.clock import now_seconds
from domain.errors import ProviderUnavailable
from domain.inbox.ports import Reported, Reports
from domain.inbox.reports import UNDELIVERED, believe
from domain.ledger.ports import Ledger
from domain.loops import wait_for
from domain.outcomes import Verdict
from domain.provider import Provider, Providers, TellsStatus
from domain.sending.sends import MessageStatus
from domain.transactions import Transaction


@dataclass(frozen=True, slots=True)
class Part:
    """The next part of a round: messages to ask for, id and reference, in id order.

    `after`: where the part before ended. `until`: where this one ends once all are asked for.
    """

    after: UUID
    until: UUID
    messages: Sequence[tuple[UUID, str]]


class Polls(Ledger, Reports, Protocol):
    """Rounds of asking, and how far each has come."""

    async def provider_account_ids(self) -> list[UUID]:
        """All accounts at providers."""
        ...

    async def claim_part(
        self,
        provider_account_id: UUID,
        round_: int,
        *,
        youngest_seconds: float,
        oldest_seconds: float,
        most: int,
        lease_seconds: float,
    ) -> Part | None:
        """The next part of a round, this program's alone for a while; None where it is another's.

        Of messages between these ages, those that are SENT or UNKNOWN and have a reference.
        """
        ...

    async def keep_part(self, provider_account_id: UUID, round_: int, until: UUID) -> None:
        """The round has come so far; anybody may go on with it."""
        ...

    async def lock_asked(self, tx: Transaction, message_ids: Sequence[UUID]) -> list[Reported]:
        """Messages FOR UPDATE in id order."""
        ...


MINUTE, HOUR = 60.0, 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRules:
    """When a message is asked for: once at each of these ages. No calls a second: never."""

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
    most: int = 10
    """Messages of one part."""

    lease_seconds: float = 120.0
    rest_seconds: float = 60.0
    """After a provider that could not be asked."""


class Poller:
    """Asks for the statuses of one program's share."""

    def __init__(self, store: Polls, providers: Providers, rules: PollRules | None = None) -> None:
        self._store = store
        self._providers = providers
        self._rules = rules or PollRules()
        self._stopping = asyncio.Event()
        self._rests_until: dict[UUID, float] = {}

    def stop(self) -> None:
        """Asks nothing more; what is known is written down."""
        self._stopping.set()

    async def poll(self) -> bool:
        """Asks for the next part of each round of each account. True where there may be more."""
        if self._rules.calls_per_second <= 0:
            return False
        more = False
        for account_id in await self._store.provider_account_ids():
            provider = await self._provider(account_id)
            for round_ in range(len(self._rules.ages_seconds)):
                if isinstance(provider, TellsStatus) and self._may_ask(account_id):
                    more |= await self._go_on(account_id, provider, round_)
        return more and not self._stopping.is_set()

    async def _provider(self, account_id: UUID) -> Provider | None:
        try:
            return await self._providers.of(account_id)
        except ProviderUnavailable:
            return None

    def _may_ask(self, account_id: UUID) -> bool:
        rests = now_seconds() < self._rests_until.get(account_id, 0.0)
        return not rests and not self._stopping.is_set()

    async def _go_on(self, account_id: UUID, provider: TellsStatus, round_: int) -> bool:
        rules = self._rules
        part = await self._store.claim_part(
            account_id,
            round_,
            youngest_seconds=rules.ages_seconds[round_],
            oldest_seconds=rules.oldest_seconds,
            most=rules.most,
            lease_seconds=rules.lease_seconds,
        )
        if part is None:
            return False
        verdicts, until = await self._ask(account_id, provider, part)
        if verdicts:
            await self._write(verdicts)
        await self._store.keep_part(account_id, round_, until)
        return until != part.after

    async def _ask(
        self, account_id: UUID, provider: TellsStatus, part: Part
    ) -> tuple[dict[UUID, Verdict], UUID]:
        """What the provider says by message, and how far it was asked."""
        verdicts: dict[UUID, Verdict] = {}
        until = part.after
        for message_id, reference in part.messages:
            if self._stopping.is_set():
                return verdicts, until
            try:
                verdict = await provider.status(reference)
            except ProviderUnavailable:
                self._rests_until[account_id] = now_seconds() + self._rules.rest_seconds
                return verdicts, until
            if verdict is not None:
                verdicts[message_id] = verdict
            until = message_id
            await wait_for(self._stopping, 1 / self._rules.calls_per_second)
        return verdicts, part.until

    async def _write(self, verdicts: dict[UUID, Verdict]) -> None:
        async with self._store.transaction() as tx:
            found = await self._store.lock_asked(tx, list(verdicts))
            changed = [
                _changed(message, status)
                for message in found
                if (status := believe(message.status, verdicts[message.message_id]))
            ]
            if changed:
                await self._store.write_reported(tx, changed)


def _changed(
    message: Reported, status: MessageStatus
) -> tuple[Reported, MessageStatus, str | None]:
    return message, status, UNDELIVERED if status is MessageStatus.UNDELIVERED else None
