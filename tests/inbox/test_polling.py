"""Statuses of messages are queried from providers that send no delivery reports."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.errors import ProviderUnavailable
from domain.ids import first_id_at
from domain.inbox.polling import Poller, PollRules
from domain.provider import (
    Accepted,
    Outcome,
    OutgoingMessage,
    Provider,
    Reading,
    ReportedStatus,
    SupportsStatus,
)
from persistence import store
from providers.extreme import ExtremeSMS
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.dispatch.parts import Scripted, answered, marked
from tests.ledger.upstream import Upstream, pool_of, synced

pytestmark = pytest.mark.usefixtures("connected")

NOW = PollRules(ages_seconds=(0.0,), calls_per_second=10_000)


@dataclass
class Prepared:
    """A provider with prepared answers. `requested`: the queried references, in order.

    `failing`: references whose queries fail.
    """

    words: dict[str, ReportedStatus | None] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)
    unavailable: bool = False
    failing: Collection[str] = ()
    largest_batch: int = 1

    async def status(self, reference: str) -> ReportedStatus | None:
        if self.unavailable or reference in self.failing:
            raise ProviderUnavailable
        self.requested.append(reference)
        return self.words.get(reference)

    async def send(self, message: OutgoingMessage) -> Outcome:
        raise NotImplementedError

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        raise NotImplementedError

    async def balance(self) -> Reading:
        raise NotImplementedError

    async def close(self) -> None:
        return None

    async def of(self, provider_account_id: UUID) -> Provider:
        return self


async def sent(count: int) -> tuple[db.Tenant, list[str]]:
    """Sent messages with the references r0, r1, …"""
    client = await db.add_client(held=1_000)
    references = [f"r{each}" for each in range(count)]
    for each, number in zip(references, db.generated_numbers(count), strict=True):
        await db.accept(client, numbers=[number])
        (call,) = await marked(client.pool)
        await answered(client.pool, call, Accepted(each))
    return client, references


async def poll_all(poller: Poller) -> None:
    while await poller.poll():
        pass


def test_only_providers_with_a_status_call_are_polled() -> None:
    assert issubclass(ExtremeSMS, SupportsStatus)
    assert not isinstance(Scripted(), SupportsStatus)


async def test_sent_messages_are_queried_once_a_round() -> None:
    _, references = await sent(25)
    provider = Prepared(
        {"r0": ReportedStatus.DELIVERED, "r1": ReportedStatus.FAILED, "r2": ReportedStatus.TAKEN}
    )
    poller = Poller(store, provider, NOW)
    await poll_all(poller)
    assert provider.requested == references
    assert await db.statuses() == {"DELIVERED": 1, "UNDELIVERED": 1, "SENT": 23}
    await poll_all(poller)
    assert provider.requested == references
    await db.assert_audit_holds()


async def test_each_round_queries_messages_that_are_still_open() -> None:
    _, references = await sent(3)
    provider = Prepared({"r1": ReportedStatus.DELIVERED})
    await poll_all(
        Poller(store, provider, PollRules(ages_seconds=(0.0, 0.0), calls_per_second=1e4))
    )
    assert provider.requested == [*references, "r0", "r2"]


async def test_messages_too_new_or_too_old_are_not_queried() -> None:
    await sent(2)
    provider = Prepared()
    await poll_all(Poller(store, provider, PollRules(calls_per_second=1e4)))
    old = PollRules(ages_seconds=(0.0,), oldest_seconds=0.0, calls_per_second=1e4)
    await poll_all(Poller(store, provider, old))
    assert provider.requested == []


async def test_messages_without_a_reference_or_with_a_final_status_are_not_queried() -> None:
    await sent(4)
    await db.execute("UPDATE message SET reference = NULL WHERE reference = 'r0'")
    await db.execute("UPDATE message SET status = 'DELIVERED' WHERE reference = 'r1'")
    await db.execute("UPDATE message SET status = 'UNKNOWN' WHERE reference = 'r2'")
    provider = Prepared({"r2": ReportedStatus.DELIVERED})
    await poll_all(Poller(store, provider, NOW))
    assert provider.requested == ["r2", "r3"]
    assert await db.statuses() == {"DELIVERED": 2, "SENT": 2}


async def test_polling_pauses_after_an_error_and_skips_nothing() -> None:
    _, references = await sent(15)
    provider = Prepared(unavailable=True)
    poller = Poller(store, provider, NOW)
    await poll_all(poller)
    provider.unavailable = False
    await poll_all(poller)
    assert provider.requested == []
    await poll_all(Poller(store, provider, NOW))
    assert provider.requested == references


async def test_a_message_whose_query_always_fails_does_not_stop_its_round() -> None:
    await sent(4)
    provider = Prepared({"r2": ReportedStatus.DELIVERED}, failing=["r1"])
    rules = PollRules(ages_seconds=(0.0,), calls_per_second=1e4, rest_seconds=0.0)
    poller = Poller(store, provider, rules)
    for _ in range(rules.tries):
        assert provider.requested in ([], ["r0"])
        await poller.poll()
    await poll_all(poller)
    assert provider.requested == ["r0", "r2", "r3"]
    assert await db.statuses() == {"DELIVERED": 1, "SENT": 3}


async def test_two_processes_share_the_queries() -> None:
    _, references = await sent(30)
    provider = Prepared(dict.fromkeys([f"r{each}" for each in range(30)], ReportedStatus.DELIVERED))
    await asyncio.gather(*(poll_all(Poller(store, provider, NOW)) for _ in range(3)))
    await poll_all(Poller(store, provider, NOW))
    assert sorted(provider.requested) == sorted(references)
    assert await db.statuses() == {"DELIVERED": 30}


async def test_polling_stops_when_requested() -> None:
    await sent(20)
    provider = Prepared()
    poller = Poller(store, provider, PollRules(ages_seconds=(0.0,), calls_per_second=0.01))
    task = asyncio.create_task(poller.poll())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not provider.requested:  # noqa: ASYNC110 - a condition with a bound
            await asyncio.sleep(0.01)
        poller.stop()
        assert await task is False
    assert provider.requested == ["r0"]
    await poll_all(Poller(store, provider, NOW))
    assert len(provider.requested) == 20


async def test_a_scheduled_message_is_queried_by_the_age_of_its_time() -> None:
    """It was accepted 20 days ago. Three have the same time, so a batch ends among them."""
    client = await db.add_client(held=100)
    later = datetime.now(UTC) + timedelta(hours=1)
    await db.accept(client, 3, send_at=later)
    await db.execute("UPDATE message SET due_at = now(), send_at = now() - interval '2 min'")
    for place, call in enumerate(await marked(client.pool, batch=1)):
        await answered(client.pool, call, Accepted(f"r{place}"))
    accepted = first_id_at(datetime.now(UTC) - timedelta(days=20)).int
    await db.execute(
        "UPDATE message SET id = (ARRAY[$1, $2, $3]::uuid[])[1 + right(reference, 1)::int]",
        *(UUID(int=accepted + place) for place in range(3)),
    )
    provider = Prepared({"r1": ReportedStatus.DELIVERED})
    rules = PollRules(ages_seconds=(60.0, 60.0), calls_per_second=1e4, batch_messages=2)
    await poll_all(Poller(store, provider, rules))
    assert sorted(provider.requested) == ["r0", "r0", "r1", "r2", "r2"]
    assert await db.statuses() == {"DELIVERED": 1, "SENT": 2}
    provider.requested.clear()
    await db.execute("TRUNCATE status_poll")
    for ages, oldest in (((600.0,), 3_600.0), ((0.0,), 60.0)):
        rules = PollRules(ages_seconds=ages, oldest_seconds=oldest, calls_per_second=1e4)
        await poll_all(Poller(store, provider, rules))
    assert provider.requested == []


async def test_zero_calls_per_second_never_polls() -> None:
    await sent(1)
    provider = Prepared()
    assert await Poller(store, provider, PollRules(calls_per_second=0)).poll() is False
    assert provider.requested == []


@pytest.mark.parametrize("text", ["Hello", "A text of two segments. " * 10])
async def test_a_message_that_was_returned_is_refunded(text: str) -> None:
    client = await db.add_client(held=10)
    await db.accept(client, numbers=["+12025550143"], text=text)
    (call,) = await marked(client.pool)
    await answered(client.pool, call, Accepted("r0"))
    await synced(client.pool, Upstream(9))
    await poll_all(Poller(store, Prepared({"r0": ReportedStatus.RETURNED}), NOW))
    assert await db.statuses() == {"REJECTED": 1}
    assert await db.held(client.account_id) == await pool_of(client.pool) == 10
    await db.assert_audit_holds()


async def test_a_message_that_was_delivered_meanwhile_is_not_refunded() -> None:
    client, _ = await sent(1)

    class Late(Prepared):
        async def status(self, reference: str) -> ReportedStatus | None:
            await db.execute("UPDATE message SET status = 'DELIVERED'")
            return ReportedStatus.RETURNED

    await poll_all(Poller(store, Late(), NOW))
    assert await db.statuses() == {"DELIVERED": 1}
    assert await db.held(client.account_id) == 999
