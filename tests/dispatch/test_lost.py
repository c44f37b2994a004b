"""Lost answers: a provider says later what it has accepted of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.dispatch import lost as lost_module
from domain.dispatch.lost import AGE_SECONDS, LostAnswerWatch
from domain.dispatch.messages import Call
from domain.dispatch.restored import doubt_queued
from domain.errors import ProviderUnavailable
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Rejected, Unknown
from persistence import store
from tests import db
from tests.dispatch.job_program import writer
from tests.dispatch.parts import Opened, Scripted, answered, lease_passes, marked, submitting

pytestmark = pytest.mark.usefixtures("connected")

LOST = Unknown("No answer.")
NEVER = NotSent("Never accepted.")
NO = Rejected("no")


@dataclass
class Asked(Scripted):
    """A provider that says what it has accepted. `says`: of each number, else `rest`."""

    says: Mapping[str, Outcome] = field(default_factory=dict)
    rest: Outcome = NEVER
    unavailable: bool = False
    asked: list[Sequence[OutgoingMessage]] = field(default_factory=list)

    async def settle(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        self.asked.append(messages)
        if self.unavailable:
            raise ProviderUnavailable
        return [self.says.get(each.number, self.rest) for each in messages]


def watch(provider: Scripted) -> LostAnswerWatch:
    return LostAnswerWatch(store, Opened(provider))


async def lost(count: int = 1) -> tuple[db.Tenant, Call]:
    """A client that held 10, and its call of this many messages without an answer."""
    client, call = await submitting(count)
    await answered(client.pool, call, LOST)
    return client, call


async def attempt() -> dict[str, Any]:
    (row,) = await db.fetch("SELECT outcome, detail FROM attempt")
    return row


async def test_what_was_accepted_is_sent_and_the_rest_is_refunded() -> None:
    client, call = await lost(4)
    first, second, third, last = call.messages
    provider = Asked(
        says={first.number: Accepted("m1"), second.number: NO, third.number: Unknown("?")}
    )
    looking = watch(provider)
    assert await looking.look() is False
    rows = await db.fetch("SELECT id, status, reference, failure FROM message")
    found = {row["id"]: (row["status"], row["reference"], row["failure"]) for row in rows}
    assert found == {
        first.id: ("SENT", "m1", None),
        second.id: ("REJECTED", None, "no"),
        third.id: ("UNKNOWN", None, None),
        last.id: ("REJECTED", None, "The network did not take this message."),
    }
    [asked] = provider.asked
    assert {each.number for each in asked} == {each.number for each in call.messages}
    assert {each.attempt for each in asked} == {call.attempt_id.hex}
    assert await db.held(client.account_id) == 8
    assert (await attempt())["outcome"] == "MIXED"
    await looking.look()
    assert len(provider.asked) == 1, "the provider has said what it knows"
    await db.assert_audit_holds()


async def test_a_call_of_a_killed_process_is_asked_about() -> None:
    client, call = await submitting()
    provider = Asked()
    await watch(provider).look()
    assert provider.asked == [], "it is under way"
    await lease_passes(call)
    await watch(provider).look()
    assert await db.statuses() == {"REJECTED": 1}
    assert await db.held(client.account_id) == 10


async def test_a_call_has_its_messages_in_the_order_in_which_they_are_asked_about() -> None:
    """After a refusal each waits for another time. Two to one number would be exchanged."""
    client, refused = await submitting(3)
    await answered(client.pool, refused, NotSent("Busy."))
    last = refused.messages[-1].id
    await db.execute(
        "UPDATE message SET due_at = clock_timestamp()"
        " - CASE WHEN id = $1 THEN interval '2 s' ELSE interval '1 s' END",
        last,
    )
    (call,) = await marked(client.pool)
    await answered(client.pool, call, LOST)
    provider = Asked()
    await watch(provider).look()
    [asked] = provider.asked
    assert [each.id for each in asked] == [each.id.hex for each in call.messages]


async def test_an_answer_that_comes_meanwhile_is_kept() -> None:
    client, call = await lost()

    class Late(Asked):
        async def settle(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
            await answered(client.pool, call, Accepted("late"))
            return await super().settle(messages)

    await watch(Late()).look()
    assert await db.statuses() == {"SENT": 1}
    assert await db.held(client.account_id) == 9


async def test_an_unavailable_provider_is_asked_again_after_a_rest() -> None:
    await lost()
    provider = Asked(unavailable=True)
    looking = watch(provider)
    await looking.look()
    await looking.look()
    assert len(provider.asked) == 1
    assert await db.statuses() == {"UNKNOWN": 1}
    provider.unavailable = False
    await watch(provider).look()
    assert await db.statuses() == {"REJECTED": 1}


async def test_the_rests_grow_as_long_as_nothing_can_be_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[int] = []

    def no_rest(count: int, **_: float) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr(lost_module, "backoff_seconds", no_rest)
    await lost()
    looking = watch(Asked(unavailable=True))
    for _ in range(3):  # there are no others in the second look
        await looking.look()
    assert failures == [1, 2]


async def test_a_call_that_cannot_be_asked_about_does_not_delay_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lost_module, "REST_FIRST_SECONDS", 0.0)
    client = await db.add_client(await db.add_pool(), held=10)
    for _ in range(2):
        await db.accept(client)
    for call in await marked(client.pool):
        await answered(client.pool, call, LOST)

    class Failing(Asked):
        async def settle(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
            self.unavailable = not self.asked or messages[0].id == self.asked[0][0].id
            return await super().settle(messages)

    provider = Failing()
    looking = watch(provider)
    for _ in range(4):
        await looking.look()
    assert await db.statuses() == {"UNKNOWN": 1, "REJECTED": 1}
    first, second, again = (each[0].id for each in provider.asked)
    assert first == again != second, "it is asked about again when no others are left"


async def test_a_message_stays_unknown_if_its_provider_cannot_be_asked() -> None:
    await lost()
    assert await watch(Scripted()).look() is False
    assert await db.statuses() == {"UNKNOWN": 1}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE provider_account SET credentials_set_at = clock_timestamp()",
        "UPDATE provider_account SET restored_at = clock_timestamp()",
        "UPDATE provider_account SET credentials_set_at = clock_timestamp() - interval '50 s'",
        "UPDATE attempt SET has_key = NULL",  # by the release before, which sends no key
    ],
)
async def test_what_another_account_does_not_know_may_have_been_sent(change: str) -> None:
    client, call = await lost(2)
    first, second = call.messages
    await db.execute(change)
    await watch(Asked(says={first.number: Accepted("m1")})).look()
    rows = await db.fetch("SELECT id, status FROM message")
    assert {row["id"]: row["status"] for row in rows} == {first.id: "SENT", second.id: "UNKNOWN"}
    assert await db.held(client.account_id) == 8


async def test_calls_after_a_change_of_the_account_are_decided() -> None:
    await lost()
    await db.execute(
        "UPDATE provider_account SET credentials_set_at = clock_timestamp() - interval '2 min',"
        " restored_at = clock_timestamp() - interval '3 min'"
    )
    await watch(Asked()).look()
    assert await db.statuses() == {"REJECTED": 1}


async def test_a_restored_queue_is_never_refunded_by_an_answer() -> None:
    client, call = await submitting()
    await db.accept(client)
    await doubt_queued(store, writer())
    await lease_passes(call)
    await watch(Asked()).look()
    assert await db.statuses() == {"UNKNOWN": 2}
    assert await db.held(client.account_id) == 8


async def test_a_call_of_yesterday_is_not_asked_about() -> None:
    await lost()
    provider = Asked()
    old = "UPDATE attempt SET started_at = started_at - make_interval(secs => $1)"
    await db.execute(old, AGE_SECONDS)
    await watch(provider).look()
    assert provider.asked == []
    await db.execute(old, 60.0 - AGE_SECONDS)
    await watch(provider).look()
    assert await db.statuses() == {"REJECTED": 1}


async def test_a_message_with_a_reference_is_asked_for_by_it() -> None:
    client, call = await submitting()
    await answered(client.pool, call, Unknown("It contradicts itself.", "m1"))
    provider = Asked()
    await watch(provider).look()
    assert provider.asked == []


async def test_after_calls_of_many_messages_the_next_ones_are_asked_about_at_once() -> None:
    client = await db.add_client(await db.add_pool(), held=200)
    await db.accept(client, 180)
    for call in await marked(client.pool, batch=60):
        await answered(client.pool, call, LOST)
    provider = Asked(rest=Accepted("m1"))
    looking = watch(provider)
    while await looking.look():
        pass
    assert len(provider.asked) == 3
    assert await db.statuses() == {"SENT": 180}


async def test_many_calls_are_asked_about_one_after_the_other() -> None:
    client = await db.add_client(await db.add_pool(), held=200)
    for _ in range(60):
        await db.accept(client)
    while calls := await marked(client.pool):
        for call in calls:
            await answered(client.pool, call, LOST)
    provider = Asked(rest=Accepted("m1"))
    looking = watch(provider)
    assert await looking.look() is True
    assert await looking.look() is False
    assert await db.statuses() == {"SENT": 60}
    assert len({each[0].attempt for each in provider.asked}) == len(provider.asked) == 60
