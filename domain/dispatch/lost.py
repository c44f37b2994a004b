"""Lost answers: asks the provider what it has accepted of calls whose outcome is not known.

Only a provider that can refuse the call for ever (`SupportsSettling`) is asked: what it has not
accepted then is certainly not sent, and is refunded. Asking again is harmless.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from domain.dispatch.messages import EndedCall, LostCall
from domain.dispatch.ports import LostAnswers
from domain.dispatch.recording import decide_unknown, end_of
from domain.errors import ProviderUnavailable
from domain.loops import backoff_seconds, now_seconds
from domain.provider import NotSent, Outcome, Providers, SupportsSettling, Unknown

AGE_SECONDS = 20 * 3600.0
"""Providers know the keys of calls for a day. After that, they would know nothing of the call."""

MOST_MESSAGES = 50
MOST_ASKED = 5_000
REST_FIRST_SECONDS = 5.0
REST_LONGEST_SECONDS = 600.0

NOT_CERTAIN = Unknown(
    "The call had no key, the account was changed since, or the database was restored."
)


class LostAnswerWatch:
    """Settles the lost answers of all provider accounts that can be asked."""

    def __init__(self, store: LostAnswers, providers: Providers) -> None:
        self._store = store
        self._providers = providers
        self._asked: dict[UUID, None] = {}
        """Calls that were asked about. The rest of their messages stays UNKNOWN."""
        self._put_off: defaultdict[UUID, set[UUID]] = defaultdict(set)
        """By account: calls that could not be asked about. The others are asked about first."""
        self._failures: dict[UUID, int] = {}
        self._rests_until: dict[UUID, float] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Asks about no further call."""
        self._stopping.set()

    async def look(self) -> bool:
        """Asks about the calls of each account. True if there may be more."""
        more = False
        for account_id in await self._store.accounts_with_lost(age_seconds=AGE_SECONDS):
            if now_seconds() >= self._rests_until.get(account_id, 0.0):
                more |= await self._look_at(account_id)
        return more and not self._stopping.is_set()

    async def _look_at(self, account_id: UUID) -> bool:
        put_off = self._put_off[account_id]
        try:
            provider = await self._providers.of(account_id)
            if not isinstance(provider, SupportsSettling):
                return False
            without = [*self._asked, *put_off]
            calls = await self._store.lost_calls(
                account_id, age_seconds=AGE_SECONDS, without=without, most=MOST_MESSAGES
            )
            if not calls:
                put_off.clear()
                return False
            for call in calls:
                if self._stopping.is_set():
                    return False
                put_off.add(call.attempt_id)
                outcomes = await provider.settle(call.outgoing)
                await _settle(self._store, account_id, call, outcomes)
                put_off.discard(call.attempt_id)
                self._note(call)
        except ProviderUnavailable:
            self._rest(account_id)
            return False
        self._failures.pop(account_id, None)
        return sum(len(call.message_ids) for call in calls) >= MOST_MESSAGES

    def _note(self, call: LostCall) -> None:
        self._asked[call.attempt_id] = None
        if len(self._asked) > MOST_ASKED:
            del self._asked[next(iter(self._asked))]

    def _rest(self, account_id: UUID) -> None:
        self._failures[account_id] = failures = self._failures.get(account_id, 0) + 1
        self._rests_until[account_id] = now_seconds() + backoff_seconds(
            failures, first_seconds=REST_FIRST_SECONDS, longest_seconds=REST_LONGEST_SECONDS
        )


async def _settle(
    store: LostAnswers, account_id: UUID, call: LostCall, outcomes: Sequence[Outcome]
) -> None:
    """Writes what the provider has said of those messages that are still UNKNOWN."""
    given = dict(zip(call.message_ids, outcomes, strict=True))
    if not call.is_ours:
        given = {i: NOT_CERTAIN if isinstance(each, NotSent) else each for i, each in given.items()}
    async with store.transaction() as tx:
        if await decide_unknown(store, tx, account_id, [call.attempt_id], given):
            await store.end_attempts(tx, [end_of(EndedCall(call.attempt_id, given))])
