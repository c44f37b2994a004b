"""Opting out by text: nothing is sent to the number, and queued messages are refunded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.dispatch.settlement import OPTED_OUT
from domain.ids import FIRST_ID, first_id_at
from domain.inbox.capture import capture_contacts
from domain.inbox.messages import OptOut, OptOutSource
from domain.inbox.opt_out import QUESTION_SECONDS
from domain.inbox.receive import receive_due
from domain.provider import NotSent
from persistence import store
from tests import db
from tests.dispatch.parts import answered, marked
from tests.inbox import post
from tests.inbox.post import OUR_NUMBER, PHONE, inbound
from tests.locks import blocked, holding

pytestmark = pytest.mark.usefixtures("connected")
OTHER_PHONE = "+12025550144"


@pytest.fixture
async def client(connected: str) -> db.Tenant:
    """A client with its own number, and 100 credits."""
    client = await db.add_client(held=100)
    await db.assign_number(client.client_id, OUR_NUMBER)
    return client


def sms(text: str, **rest: Any) -> dict[str, object]:
    return inbound(text, receiver=OUR_NUMBER, **rest)


async def opted_out() -> list[tuple[object, object]]:
    rows = await db.fetch("SELECT number, source FROM opt_out ORDER BY number")
    return [(row["number"], row["source"]) for row in rows]


async def test_a_keyword_opts_out_and_queued_messages_are_refunded(client: db.Tenant) -> None:
    single = await db.accept(client, numbers=[PHONE])
    bulk = await db.accept(client, numbers=[PHONE, OTHER_PHONE])
    assert await db.held(client.account_id) == 97
    await capture_contacts(store)
    (row,) = await post.received(sms("Stop!"))
    assert row["outcome"] == "ROUTED"
    assert await opted_out() == [(PHONE, "KEYWORD")]
    assert await db.statuses(single.id) == {"CANCELLED": 1}
    assert await db.statuses(bulk.id) == {"CANCELLED": 1, "QUEUED": 1}
    assert await db.held(client.account_id) == 99
    notes = await db.fetch("SELECT note, amount FROM transfer WHERE kind = 'REFUND'")
    assert notes == [{"note": OPTED_OUT, "amount": 1}] * 2
    await db.assert_audit_holds()


async def test_a_blocked_status_opts_out_like_a_keyword(client: db.Tenant) -> None:
    await post.received(sms("leave me alone", status="blocked", matchedBlockWord="leave"))
    assert await opted_out() == [(PHONE, "BLOCKED")]


async def test_a_submitted_message_stays_charged(client: db.Tenant) -> None:
    send = await db.accept(client, numbers=[PHONE])
    await post.submitted(client.pool)
    await post.received(sms("STOP"))
    assert await db.statuses(send.id) == {"SENT": 1}
    assert await db.held(client.account_id) == 99


async def test_the_last_keyword_of_a_number_counts(client: db.Tenant) -> None:
    await post.received(sms("STOP"), sms("START"))
    assert await opted_out() == []
    await post.received(sms("UNSTOP"), sms("QUIT"))
    assert await opted_out() == [(PHONE, "KEYWORD")]
    await post.received(sms("yes"))
    assert await opted_out() == []


async def test_only_opt_outs_by_text_are_lifted_by_text(client: db.Tenant) -> None:
    for source in ("BLOCKED", "PERSON"):
        await db.execute("DELETE FROM opt_out")
        await db.opt_out(client.client_id, PHONE, source=source)
        await post.received(*(sms(f"{word} ") for word in ("START", "UNSTOP", "YES")))
        assert await opted_out() == [(PHONE, source)]


async def test_a_report_of_the_provider_outweighs_words_in_one_batch(client: db.Tenant) -> None:
    await post.received(sms("no", status="blocked"), sms("STOP"), sms("START"))
    assert await opted_out() == [(PHONE, "BLOCKED")]


async def test_a_word_that_only_the_provider_knows_opts_out_and_in(client: db.Tenant) -> None:
    own = {"MessageSid": "SM1", "From": PHONE, "To": OUR_NUMBER, "Body": "genug"}
    await post.received({**own, "OptOutType": "STOP"}, provider="twilio")
    assert await opted_out() == [(PHONE, "KEYWORD")]
    again = {**own, "MessageSid": "SM2", "Body": "wieder", "OptOutType": "START"}
    await post.received(again, provider="twilio")
    assert await opted_out() == []


async def test_a_keyword_does_not_lift_an_opt_out_by_a_person(client: db.Tenant) -> None:
    await post.received(sms("STOP"))
    async with store.transaction() as tx:
        opt_out = OptOut(client.client_id, PHONE, OptOutSource.PERSON)
        await store.write_opt_outs(tx, [opt_out])
    await post.received(sms("START"), sms("STOP!"))
    assert await opted_out() == [(PHONE, "PERSON")]


@pytest.mark.parametrize(
    ("text", "age_seconds", "expected"),
    [
        ("Will you come?", 60, [(PHONE, "KEYWORD")]),
        ("\u4f60\u6765\u5417\uff1f", 60, [(PHONE, "KEYWORD")]),
        ("Will you come?", QUESTION_SECONDS + 60, []),
        ("See you tomorrow", 60, []),
    ],
)
async def test_yes_is_the_answer_to_a_question_for_a_day(
    client: db.Tenant, text: str, age_seconds: float, expected: list[object]
) -> None:
    await db.accept(client, numbers=[PHONE], text=text)
    await post.submitted(client.pool)
    await capture_contacts(store)
    sent_at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    for table, column in (("message", "id"), ("sent_to", "message_id")):
        await db.execute(f"UPDATE {table} SET {column} = $1", first_id_at(sent_at))
    await db.execute("UPDATE message SET created_at = $1", sent_at)
    await post.received(sms("STOP"))
    await post.received(sms("YES"))
    assert await opted_out() == expected
    await post.received(sms("START"))
    assert await opted_out() == []


async def test_a_sentence_with_a_stop_word_is_flagged_and_is_not_an_opt_out(
    client: db.Tenant,
) -> None:
    await post.received(sms("please stop"), sms("Hello"), sms("STOP"))
    flags = [row["mentions_opt_out"] for row in await post.inbox_of(client.client_id)]
    assert flags == [True, False, False]
    assert await opted_out() == [(PHONE, "KEYWORD")]


async def test_an_opt_out_concerns_one_client(client: db.Tenant) -> None:
    other = await db.add_client(client.pool, name="Other")
    send = await db.accept(other, numbers=[PHONE])
    await capture_contacts(store)
    await post.received(sms("STOP"))
    assert await db.statuses(send.id) == {"QUEUED": 1}
    rows = await db.fetch("SELECT client_id FROM opt_out")
    assert rows == [{"client_id": client.client_id}]


async def test_a_send_accepted_during_the_opt_out_is_cancelled_when_captured(
    client: db.Tenant,
) -> None:
    await post.received(sms("STOP"))
    send = await db.accept(client, numbers=[PHONE, OTHER_PHONE])
    await capture_contacts(store)
    assert await db.statuses(send.id) == {"CANCELLED": 1, "QUEUED": 1}
    await db.assert_audit_holds()


async def test_an_opt_out_during_a_capture_is_never_missed(client: db.Tenant) -> None:
    phones = [f"+120255501{each}" for each in range(10, 60)]
    for phone in phones:
        await db.accept(client, numbers=[phone])
    await post.stored(*(sms("STOP", sender=phone) for phone in phones))
    await asyncio.gather(*(capture_some() for _ in range(2)), *(receive_some() for _ in range(2)))
    assert await db.statuses() == {"CANCELLED": 50}
    assert await db.held(client.account_id) == 100
    await db.assert_audit_holds()


async def test_opting_out_waits_for_a_capture(client: db.Tenant) -> None:
    """Without a lock, the capture and the opt-out would not see each other."""
    await post.received(sms("Hello"))
    send = await db.accept(client, numbers=[PHONE])

    async def capture(tx: Any) -> None:
        sends = await store.take_uncaptured(tx, most=1)
        await store.share_feeds(tx, {client.client_id})
        await store.capture_numbers(tx, sends, after=FIRST_ID, most=10)

    async def go_on(tx: Any) -> None:
        assert await store.opted_out_among(tx, [send.id], after=FIRST_ID, until=None) == []
        await store.keep_captured(tx, [send.id])

    async with holding(capture, go_on):
        receiving = asyncio.create_task(post.received(sms("STOP")))
        await blocked(receiving)
    await receiving
    assert await db.statuses(send.id) == {"CANCELLED": 1}


async def test_an_opt_out_during_a_provider_call_prevents_a_retry(client: db.Tenant) -> None:
    send = await db.accept(client, numbers=[PHONE])
    (call,) = await marked(client.pool)
    await post.received(sms("STOP"))
    assert await db.statuses(send.id) == {"SUBMITTING": 1}
    await answered(client.pool, call, NotSent("not now"))
    assert await db.statuses(send.id) == {"CANCELLED": 1}
    assert await db.held(client.account_id) == 100
    await db.assert_audit_holds()


async def test_opting_out_while_outcomes_are_recorded_misses_no_message(
    client: db.Tenant,
) -> None:
    phones = [f"+120255501{each}" for each in range(10, 50)]
    for phone in phones:
        await db.accept(client, numbers=[phone])
    calls = await marked(client.pool)
    while more := await marked(client.pool):
        calls = [*calls, *more]
    assert len(calls) == 40
    await capture_contacts(store)
    await post.stored(*(sms("STOP", sender=phone) for phone in phones))
    await asyncio.gather(
        receive_some(), *(answered(client.pool, call, NotSent("not now")) for call in calls)
    )
    assert await db.statuses() == {"CANCELLED": 40}
    assert await db.held(client.account_id) == 100
    await db.assert_audit_holds()


async def capture_some() -> None:
    while await capture_contacts(store):
        pass


async def receive_some() -> None:
    while await receive_due(post.RECEIVER, most=5):
        pass
