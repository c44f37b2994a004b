"""Shared by the tests of dispatch: a scripted provider, and short settings."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from domain.dispatch.claim import ClaimContext, claim
from domain.dispatch.dispatcher import DispatchRunner
from domain.dispatch.fairness import Turns
from domain.dispatch.messages import Call, EndedCall
from domain.dispatch.recording import record_calls, sweep
from domain.dispatch.rules import DispatchRules, Observer
from domain.ids import new_id
from domain.provider import Accepted, Outcome, OutgoingMessage, Provider, Providers, Reading
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS

QUICK = DispatchRules(
    deadline_seconds=2.5,
    lease_seconds=4.0,
    sweep_seconds=0.1,
    poll_seconds=0.02,
    breaker_first_seconds=0.1,
    breaker_longest_seconds=0.4,
    backoff_first_seconds=0.05,
    backoff_longest_seconds=0.2,
    probe_first_seconds=0.2,
    probe_longest_seconds=0.4,
    give_up_every_seconds=0.1,
)
"""As the defaults, but a fraction of their length."""

Answer = Callable[[OutgoingMessage], Awaitable[Outcome]]


async def accepts(message: OutgoingMessage) -> Outcome:
    """Every message is accepted. The reference names its recipient."""
    return Accepted(f"ref {message.number}")


@dataclass
class Scripted:
    """A provider in this program: `answer` returns the outcome of each message.

    `calls`: the messages of each call, in the order in which the calls began.
    """

    answer: Answer = accepts
    largest_batch: int = 100
    calls: list[Sequence[OutgoingMessage]] = field(default_factory=list)
    open_calls: int = 0
    most_open_calls: int = 0

    @property
    def seen(self) -> list[str]:
        """The numbers of all messages that it was called with."""
        return [message.number for call in self.calls for message in call]

    async def send(self, message: OutgoingMessage) -> Outcome:
        return (await self._called([message]))[0]

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        return await self._called(messages)

    async def balance(self) -> Reading:
        raise NotImplementedError

    async def close(self) -> None:
        return None

    async def of(self, provider_account_id: UUID) -> Provider:
        """Every account is this one: fills `domain.installation.Providers` too."""
        return self

    async def _called(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        self.calls.append(messages)
        self.open_calls += 1
        self.most_open_calls = max(self.most_open_calls, self.open_calls)
        try:
            return [await self.answer(message) for message in messages]
        finally:
            self.open_calls -= 1


@dataclass
class Opened:
    """A provider that is open already: fills `domain.installation.Providers`."""

    provider: Provider

    async def of(self, provider_account_id: UUID) -> Provider:
        return self.provider


@asynccontextmanager
async def dispatching(
    providers: Providers, *, rules: DispatchRules = QUICK, observer: Observer | None = None
) -> AsyncIterator[DispatchRunner]:
    """A DispatchRunner that runs while the block does, as in one program."""
    dispatchers = DispatchRunner(store, providers, rules=rules, observer=observer)
    dispatchers.start()
    try:
        yield dispatchers
    finally:
        await dispatchers.stop()


async def marked(
    pool: db.Pool, *, rules: DispatchRules = QUICK, batch: int = 100
) -> Sequence[Call]:
    """Marks all that is due, as a dispatcher does. Returns the calls, which are not made."""
    await store.release_scheduled(most=1_000)
    context = ClaimContext(store, Observer(), rules, pool.id, new_id())
    turns = Turns(rules.calls_at_once)
    most = rules.calls_at_once
    waiting = await store.tenants_waiting(pool.id, after=turns.after(), most=most)
    claimed = await claim(context, turns, waiting, batch=batch, open_calls=Counter())
    return claimed.calls


async def submitting(count: int = 1, *, pool_held: int = 0) -> tuple[db.Tenant, Call]:
    """A client that held 10 before its send of this many messages, and the call that has them."""
    client = await db.add_client(await db.add_pool(held=pool_held), held=10)
    await db.accept(client, count)
    (call,) = await marked(client.pool)
    return client, call


async def answered(pool: db.Pool, call: Call, *outcomes: Outcome, is_probe: bool = False) -> None:
    """Records the outcomes of a call: one for all messages, or one for each."""
    each = outcomes if len(outcomes) > 1 else outcomes * len(call.messages)
    by_message = {message.id: one for message, one in zip(call.messages, each, strict=True)}
    ended = EndedCall(call.attempt_id, by_message, is_probe=is_probe)
    await record_calls(store, pool.id, [ended], rules=QUICK, observer=Observer())


async def lease_passes(call: Call) -> None:
    """Ends the lease of the call's messages, and sweeps."""
    await db.execute(
        "UPDATE attempt SET lease_until = clock_timestamp() - interval '1 s' WHERE id = $1",
        call.attempt_id,
    )
    assert await sweep(store, Observer()) is False


async def eventually(
    condition: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE_SECONDS
) -> None:
    """Waits until the condition holds. Fails if it does not within this many seconds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition is polled
            await asyncio.sleep(0.02)


async def statuses_become(
    expected: dict[str, int], *, of: UUID | None = None, seconds: float = PATIENCE_SECONDS
) -> None:
    """Waits until each status has the expected number of messages, of one send or of all."""

    async def are_so() -> bool:
        return await db.statuses(of) == expected

    await eventually(are_so, seconds=seconds)


async def pages_read(statement: str, *arguments: object) -> int:
    """How many pages the statement reads or looks up."""
    [row] = await db.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
    plan = json.loads(row["QUERY PLAN"])[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def all_sent() -> bool:
    """Whether each message is sent."""
    return set(await db.statuses()) == {"SENT"}
