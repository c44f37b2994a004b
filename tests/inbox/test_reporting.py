"""Delivery reports update messages once, in any order and however often they come."""

from __future__ import annotations

from itertools import permutations

import pytest

from domain.inbox.receive import receive_due
from domain.inbox.reports import GIVE_UP_SECONDS, UNDELIVERED, UNKNOWN_MESSAGE
from domain.provider import Accepted, Unknown
from domain.sending.messages import NewSend
from tests import db
from tests.dispatch.parts import answered, lease_passes, marked
from tests.inbox import post

pytestmark = pytest.mark.usefixtures("connected")
PHONE = post.PHONE


@pytest.fixture
async def client(connected: str) -> db.Tenant:
    """A client with 100 credits."""
    return await db.add_client(held=100)


def report(word: str, reference: str = "ref", **rest: object) -> dict[str, object]:
    return {"messageId": reference, "status": word, **rest}


async def sent(client: db.Tenant, reference: str = "ref", number: str = PHONE) -> NewSend:
    send = await db.accept(client, numbers=[number])
    await post.submitted(client.pool, reference)
    return send


async def test_a_report_marks_a_sent_message_as_delivered(client: db.Tenant) -> None:
    send = await sent(client)
    (row,) = await post.received(report("delivered"))
    assert (row["outcome"], row["client_id"]) == ("ROUTED", client.client_id)
    assert row["inbound_id"] is None
    assert await db.statuses(send.id) == {"DELIVERED": 1}


@pytest.mark.parametrize(("word", "status"), [("sent", "SENT"), ("delivered", "DELIVERED")])
async def test_a_report_finds_a_message_whose_answer_was_lost(
    client: db.Tenant, word: str, status: str
) -> None:
    send = await db.accept(client, numbers=[PHONE])
    for call in await marked(client.pool):
        await answered(client.pool, call, Unknown("The line broke.", reference="ref"))
    assert await db.statuses(send.id) == {"UNKNOWN": 1}
    await post.received(report(word))
    assert await db.statuses(send.id) == {status: 1}
    assert await db.held(client.account_id) == 99


async def test_a_report_may_name_a_message_by_our_own_id_after_a_crash(
    client: db.Tenant,
) -> None:
    """Its call ended without an outcome, so nothing is known here but our own ID."""
    send = await db.accept(client, numbers=[PHONE, post.OUR_NUMBER])
    own_ids: dict[str, str] = {}
    for call in await marked(client.pool):
        own_ids |= {each.number: each.id for each in call.outgoing}
        await lease_passes(call)
    assert await db.statuses(send.id) == {"UNKNOWN": 2}
    await post.received(report("sent", own_ids[PHONE]))
    assert await db.statuses(send.id) == {"SENT": 1, "UNKNOWN": 1}
    await post.received(report("delivered", own_ids[PHONE]))
    assert await db.statuses(send.id) == {"DELIVERED": 1, "UNKNOWN": 1}
    await post.received(report("delivered", own_ids[PHONE], recipient=PHONE))
    await post.received(report("delivered", "0" * 32))
    assert await db.statuses(send.id) == {"DELIVERED": 1, "UNKNOWN": 1}
    assert await db.held(client.account_id) == 98


async def test_a_report_of_twilio_finds_a_message_whose_answer_was_lost_by_its_attempt(
    client: db.Tenant,
) -> None:
    await db.execute("UPDATE provider_account SET provider = 'twilio'")
    sends = [await db.accept(client, numbers=[each]) for each in (PHONE, post.OUR_NUMBER)]
    attempts = {}
    for call in await marked(client.pool):
        attempts[call.messages[0].send_id] = call.attempt_id.hex
        await answered(client.pool, call, Unknown("The line broke."))
    about = {"MessageSid": "SM1", "attempt": attempts[sends[0].id]}
    for word, status in (("sent", "SENT"), ("delivered", "DELIVERED"), ("queued", "DELIVERED")):
        await post.received({**about, "MessageStatus": word}, provider="twilio")
        assert await db.statuses(sends[0].id) == {status: 1}
    assert await db.fetch("SELECT reference FROM message WHERE send_id = $1", sends[0].id) == [
        {"reference": "SM1"}
    ]
    assert await db.statuses(sends[1].id) == {"UNKNOWN": 1}
    assert await db.held(client.account_id) == 98


async def test_an_undelivered_message_stays_charged(client: db.Tenant) -> None:
    send = await sent(client)
    await post.received(report("failed"))
    rows = await db.fetch("SELECT status, failure FROM message WHERE send_id = $1", send.id)
    assert rows == [{"status": "UNDELIVERED", "failure": UNDELIVERED}]
    assert await db.held(client.account_id) == 99
    await db.assert_audit_holds()


@pytest.mark.parametrize("words", list(permutations(["sent", "delivered", "failed"])))
async def test_conflicting_reports_end_in_one_status_in_any_order(
    client: db.Tenant, words: tuple[str, ...]
) -> None:
    send = await sent(client)
    for word in words:
        await post.received(report(word))
    rows = await db.fetch("SELECT status, failure FROM message WHERE send_id = $1", send.id)
    assert rows == [{"status": "DELIVERED", "failure": None}]
    await db.assert_audit_holds()


async def test_conflicting_reports_of_one_batch_end_in_one_status(client: db.Tenant) -> None:
    send = await sent(client)
    rows = await post.received(report("delivered"), report("failed"), report("delivered"))
    assert [row["outcome"] for row in rows] == ["ROUTED", "ROUTED", "DUPLICATE"]
    assert await db.statuses(send.id) == {"DELIVERED": 1}


@pytest.mark.parametrize(("is_late", "before"), [(False, "SUBMITTING"), (True, "UNKNOWN")])
async def test_a_report_that_comes_before_the_outcome_is_recorded_waits(
    client: db.Tenant, is_late: bool, before: str
) -> None:
    send = await db.accept(client, numbers=[PHONE])
    (call,) = await marked(client.pool)
    if is_late:
        await lease_passes(call)
    (event_id,) = await post.stored(report("delivered"))
    assert await receive_once() is False
    assert await db.statuses(send.id) == {before: 1}
    await answered(client.pool, call, Accepted("ref"))
    await db.execute("UPDATE webhook_event SET due_at = now()")
    await receive_once()
    assert await db.statuses(send.id) == {"DELIVERED": 1}
    assert (await post.rows_of([event_id]))[0]["outcome"] == "ROUTED"
    await db.assert_audit_holds()


async def test_an_unknown_message_with_a_reference_is_updated(client: db.Tenant) -> None:
    send = await sent(client)
    await db.execute("UPDATE message SET status = 'UNKNOWN'")
    await post.received(report("sent"))
    assert await db.statuses(send.id) == {"SENT": 1}


async def test_a_report_of_an_unknown_message_is_given_up(client: db.Tenant) -> None:
    (event_id,) = await post.stored(report("delivered", "nobody's"))
    await receive_once()
    (row,) = await post.rows_of([event_id])
    assert row["due_at"] is not None
    await db.execute(
        "UPDATE webhook_event SET due_at = now(), received_at = now() - make_interval(secs => $1)",
        GIVE_UP_SECONDS + 1,
    )
    await receive_once()
    (row,) = await post.rows_of([event_id])
    assert (row["outcome"], row["reason"], row["due_at"]) == ("UNROUTED", UNKNOWN_MESSAGE, None)


async def test_an_unknown_status_word_changes_nothing(client: db.Tenant) -> None:
    send = await sent(client)
    (row,) = await post.received(report("seen by a cat"))
    assert row["outcome"] == "ROUTED"
    assert "seen by a cat" in row["reason"]
    assert await db.statuses(send.id) == {"SENT": 1}


async def test_one_reference_for_a_batch_is_matched_by_number(client: db.Tenant) -> None:
    await db.execute("UPDATE provider_account SET provider = 'egosms'")
    others = ["+12025550101", "+12025550102", "+12025550103"]
    send = await db.accept(client, numbers=[PHONE, *others])
    await post.submitted(client.pool, "batch")
    reported = [(PHONE[1:], "Success"), (PHONE, "Success"), (others[0], "Failed")]
    reported.append((others[2].removeprefix("+1"), "Success"))  # as it is dialled at home
    for number, word in [*reported, ("+12025550199", "Success"), ("nonsense", "Success")]:
        body = {"MsgFollowUpUniqueCode": "batch", "number": number, "Status": word}
        await post.stored(body, provider="egosms")
    await receive_once()
    rows = await db.fetch("SELECT number, status FROM message WHERE send_id = $1", send.id)
    assert {row["number"]: row["status"] for row in rows} == {
        PHONE: "DELIVERED",
        others[0]: "UNDELIVERED",
        others[1]: "SENT",
        others[2]: "DELIVERED",
    }


async def test_a_report_does_not_change_a_message_that_is_being_submitted(
    client: db.Tenant,
) -> None:
    send = await db.accept(client, numbers=[PHONE])
    await marked(client.pool)
    await db.execute("UPDATE message SET reference = 'ref'")
    (event_id,) = await post.stored(report("delivered"))
    await receive_once()
    assert await db.statuses(send.id) == {"SUBMITTING": 1}
    assert (await post.rows_of([event_id]))[0]["due_at"] is not None


async def test_references_are_matched_per_provider(client: db.Tenant) -> None:
    send = await sent(client)
    body = {"MsgFollowUpUniqueCode": "ref", "number": PHONE, "Status": "Success"}
    await post.stored(body, provider="egosms")
    await receive_once()
    assert await db.statuses(send.id) == {"SENT": 1}


async def test_a_refunded_message_is_never_changed_by_a_report(client: db.Tenant) -> None:
    send = await sent(client)
    await db.execute("UPDATE message SET status = 'REJECTED'")
    (row,) = await post.received(report("delivered"))
    assert await db.statuses(send.id) == {"REJECTED": 1}
    assert "changes nothing" in row["reason"]


async def test_messages_and_reports_are_received_side_by_side(client: db.Tenant) -> None:
    send = await sent(client)
    await db.assign_number(client.client_id, post.OUR_NUMBER)
    rows = await post.received(
        report("delivered"), post.inbound("STOP", receiver=post.OUR_NUMBER), report("sent")
    )
    assert [row["outcome"] for row in rows] == ["ROUTED"] * 3
    assert await db.statuses(send.id) == {"DELIVERED": 1}
    assert len(await post.inbox_of(client.client_id)) == 1


async def receive_once() -> bool:
    return await receive_due(post.RECEIVER)
