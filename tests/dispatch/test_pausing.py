"""Pausing: an account that is refused, a provider that does not answer, one that asks to wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from domain import ids
from domain.dispatch.claim import ClaimContext, claim, claim_probe
from domain.dispatch.fairness import Turns
from domain.dispatch.messages import Call
from domain.dispatch.recording import give_up_overdue
from domain.dispatch.rules import DispatchRules, Observer
from domain.errors import ProviderUnavailable
from domain.ids import Kind, new_id
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Provider, Rejected, Unknown
from persistence import store
from tests import db
from tests.dispatch.parts import (
    QUICK,
    Scripted,
    all_sent,
    answered,
    dispatching,
    eventually,
    marked,
    statuses_become,
)

pytestmark = pytest.mark.usefixtures("connected")

NO_MONEY = NotSent("The account has no credits left.", refuses_account=True)


@dataclass
class Reports(Observer):
    """Keeps the reported pauses and breakers."""

    lines: list[str] = field(default_factory=list)

    def paused(self, provider_account_id: UUID, reason: str) -> None:
        self.lines.append(f"paused: {reason}")

    def resumed(self, provider_account_id: UUID) -> None:
        self.lines.append("resumed")

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        self.lines.append("breaker opens" if open_ else "breaker closes")


@dataclass
class OneOutcome:
    """Returns the outcome that is set."""

    outcome: Outcome

    async def __call__(self, message: OutgoingMessage) -> Outcome:
        return self.outcome


async def test_a_refused_account_is_paused_probed_with_one_message_and_continues() -> None:
    client = await db.add_client()
    for number in db.generated_numbers(20):
        await db.accept(client, numbers=[number])
    answer, reports = OneOutcome(NO_MONEY), Reports()
    provider = Scripted(answer)
    async with dispatching(provider, rules=replace(QUICK, calls_at_once=4), observer=reports):

        async def probed_three_times() -> bool:
            return len(provider.calls) >= 6 and bool(reports.lines)

        await eventually(probed_three_times)
        assert reports.lines == ["paused: The account has no credits left."]
        assert provider.most_open_calls <= 4
        assert [len(call) for call in provider.calls] == [1] * len(provider.calls)
        answer.outcome = Accepted("ref")
        await eventually(all_sent)
    assert reports.lines[1:] == ["resumed"]
    assert len(provider.seen) < 20 + 12, "no call was made during the pause"
    assert await db.held(client.account_id) == 1_000 - 20
    await db.assert_audit_holds()


async def test_messages_that_alone_are_refused_delay_another_client_by_few_seconds() -> None:
    pool = await db.add_pool()
    refused, other = await db.add_client(pool), await db.add_client(pool)

    async def refuses_some(message: OutgoingMessage) -> Outcome:
        return NO_MONEY if message.text == "refused" else Accepted("ref")

    async with dispatching(Scripted(refuses_some, largest_batch=1), rules=DispatchRules()):
        await db.accept(refused, 50, text="refused")
        await eventually(_is_paused)
        for _ in range(2):
            send = await db.accept(other)
            # With waits of half a minute, it would take 30 s each time.
            await statuses_become({"SENT": 1}, of=send.id, seconds=15)


async def test_only_one_of_many_dispatchers_probes() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    await db.accept(client, 10)
    (call,) = await marked(pool)
    await answered(pool, call, NO_MONEY)
    await db.execute("UPDATE provider_account SET probe_at = clock_timestamp()")
    await db.execute("UPDATE message SET due_at = clock_timestamp()")
    context = ClaimContext(store, Observer(), QUICK, pool.id, new_id())
    waiting = await store.tenants_waiting(pool.id, after=Turns(4).after(), most=4)
    probes = await asyncio.gather(*(claim_probe(context, Turns(4), waiting) for _ in range(5)))
    claimed = [probe.calls for probe in probes if probe.calls]
    assert [len(calls) for calls in claimed] == [1]
    assert len(claimed[0][0].messages) == 1


@pytest.mark.parametrize(
    ("outcome", "paused"),
    [
        (Accepted("ref"), False),
        (Rejected("no"), False),
        (NO_MONEY, True),
        (Unknown("?"), True),
        (NotSent("refused"), True),
    ],
)
async def test_a_probe_that_is_answered_ends_the_pause(outcome: Outcome, paused: bool) -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    await db.accept(client, 2)
    (first,) = await marked(pool, batch=1, rules=replace(QUICK, calls_at_once=1))
    await answered(pool, first, NO_MONEY)
    (probe,) = await _probe(pool)
    await answered(pool, probe, outcome, is_probe=True)
    (account,) = await db.fetch("SELECT paused_at IS NOT NULL AS paused FROM provider_account")
    assert account["paused"] is paused


async def test_the_answer_to_a_call_that_is_not_a_probe_does_not_end_the_pause() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    await db.accept(client, 2)
    first, second = await marked(pool, batch=1, rules=replace(QUICK, calls_at_once=3))
    await answered(pool, first, NO_MONEY)
    await answered(pool, second, Accepted("it had left before"))
    assert (await db.fetch("SELECT paused_at FROM provider_account"))[0]["paused_at"]


async def _probe(pool: db.Pool) -> Sequence[Call]:
    await db.execute("UPDATE provider_account SET probe_at = clock_timestamp()")
    context = ClaimContext(store, Observer(), QUICK, pool.id, new_id())
    waiting = await store.tenants_waiting(pool.id, after=Turns(4).after(), most=4)
    return (await claim_probe(context, Turns(4), waiting)).calls


async def test_messages_that_wait_for_a_paused_account_are_given_up_after_a_day() -> None:
    client = await db.add_client(held=100)
    rules = replace(QUICK, give_up_seconds=1.0, probe_first_seconds=30, probe_longest_seconds=60)
    async with dispatching(Scripted(OneOutcome(NO_MONEY)), rules=rules):
        await db.accept(client, 2)
        await eventually(_is_paused)
        for _ in range(10):
            await db.accept(client)
        assert len(await db.fetch("SELECT 1 FROM message WHERE attempts = 0")) == 10
        await statuses_become({"REJECTED": 12})
    assert await db.held(client.account_id) == 100
    await db.assert_audit_holds()


async def _is_paused() -> bool:
    return bool(await db.fetch("SELECT 1 FROM provider_account WHERE paused_at IS NOT NULL"))


async def test_messages_that_are_old_because_of_a_long_queue_are_not_given_up() -> None:
    client = await db.add_client()
    await db.accept(client)
    await db.accept(client, 5)  # waits as a part
    rules = replace(QUICK, give_up_seconds=0)
    assert await give_up_overdue(store, client.pool.id, rules=rules) is False
    assert await db.statuses() == {"QUEUED": 6}


async def test_no_message_is_marked_while_the_balance_is_read() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    provider = Scripted()
    reader_id = new_id()
    async with dispatching(provider):
        assert await store.begin_reading(pool.id, reader_id=reader_id, seconds=60)
        await db.accept(client)
        context = ClaimContext(store, Observer(), QUICK, pool.id, new_id())
        waiting = await store.tenants_waiting(pool.id, after=Turns(4).after(), most=4)
        claimed = await claim(context, Turns(4), waiting, batch=100, open_calls=Counter())
        assert claimed.calls == ()
        assert await db.statuses() == {"QUEUED": 1}
        await store.lift_pause(pool.id, reader_id=reader_id)
        await eventually(all_sent)


@dataclass
class Changing:
    """Answers the first calls with one outcome, and all later ones with success."""

    outcome: Outcome
    times: int
    called_at: list[float] = field(default_factory=list)

    async def __call__(self, message: OutgoingMessage) -> Outcome:
        self.called_at.append(time.monotonic())
        return self.outcome if len(self.called_at) <= self.times else Accepted("ref")


async def test_calls_that_are_not_answered_open_the_breaker_and_the_queue_waits() -> None:
    client = await db.add_client()
    answer, reports = Changing(Unknown("?"), times=5), Reports()
    rules = replace(QUICK, calls_at_once=1, breaker_first_seconds=0.5, breaker_longest_seconds=0.5)
    async with dispatching(Scripted(answer), rules=rules, observer=reports):
        for _ in range(20):
            await db.accept(client)
        await statuses_become({"UNKNOWN": 5, "SENT": 15})
    assert answer.called_at[5] - answer.called_at[4] > 0.4
    assert reports.lines == ["breaker opens", "breaker closes"]


async def test_a_requested_pause_stops_all_calls_to_the_account() -> None:
    client = await db.add_client()
    answer = Changing(NotSent("The network asked to wait.", retry_after_seconds=0.5), times=1)
    async with dispatching(Scripted(answer), rules=replace(QUICK, calls_at_once=1)):
        await db.accept(client)

        async def requested_wait() -> bool:
            return len(answer.called_at) >= 1

        await eventually(requested_wait)
        await db.accept(client, numbers=["+12025550105"])
        await eventually(all_sent)
    assert answer.called_at[1] - answer.called_at[0] > 0.4
    assert len(answer.called_at) == 3


class NoSignIn:
    """The sign-in of the account cannot be read."""

    async def of(self, provider_account_id: UUID) -> Provider:
        raise ProviderUnavailable("The sign-in cannot be read.")


async def test_the_log_names_the_account_that_cannot_be_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await db.add_client(held=10)
    await db.accept(client)
    account = ids.encode(Kind.PROVIDER_ACCOUNT, client.pool.id)
    expected = f"the dispatcher of {account} waits: The sign-in cannot be read."

    async def is_logged() -> bool:
        return expected in caplog.messages

    async with dispatching(NoSignIn()):
        await eventually(is_logged)


async def test_a_provider_that_refuses_one_client_only_delays_no_other_one() -> None:
    """Like a 429 without a wait for a sender or a network that only one client uses."""
    rules = replace(QUICK, breaker_first_seconds=600.0, breaker_longest_seconds=600.0)
    pool = await db.add_pool()
    refused, other = await db.add_client(pool, held=100), await db.add_client(pool, held=100)
    numbers = set(db.generated_numbers(20))

    async def refuses(message: OutgoingMessage) -> Outcome:
        busy = NotSent("The network asked to wait.", asks_to_wait=True)
        return busy if message.number in numbers else Accepted("ref")

    reports, provider = Reports(), Scripted(refuses)
    for number in numbers:
        await db.accept(refused, numbers=[number])
    async with dispatching(provider, rules=rules, observer=reports):
        await eventually(_said(reports, "breaker opens"))
        for _ in range(5):
            send = await db.accept(other, numbers=["+12025550199"])
            await statuses_become({"SENT": 1}, of=send.id)
    assert provider.seen.count("+12025550199") == 5


async def test_a_provider_that_refuses_all_clients_is_tried_once_for_each_of_two() -> None:
    rules = replace(QUICK, breaker_first_seconds=600.0, breaker_longest_seconds=600.0)
    pool = await db.add_pool()
    clients = [await db.add_client(pool, held=100) for _ in range(4)]

    async def refuses(message: OutgoingMessage) -> Outcome:
        return NotSent("The network asked to wait.", asks_to_wait=True)

    reports, provider = Reports(), Scripted(refuses)
    for number in db.generated_numbers(rules.breaker_opens_after):
        await db.accept(clients[0], numbers=[number])
    async with dispatching(provider, rules=rules, observer=reports):
        await eventually(_said(reports, "breaker opens"))
        before = len(provider.calls)
        for client, number in zip(clients[1:], db.generated_numbers(3), strict=True):
            await db.accept(client, numbers=[number])

        async def tried() -> bool:
            return len(provider.calls) > before

        await eventually(tried)
        await asyncio.sleep(3 * rules.poll_seconds)
    assert len(provider.calls) == before + 1


def _said(reports: Reports, line: str) -> Callable[[], Awaitable[bool]]:
    async def is_there() -> bool:
        return line in reports.lines

    return is_there
