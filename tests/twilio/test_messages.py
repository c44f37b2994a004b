"""Messages over the Twilio-compatible API: create, fetch, cancel, empty, delete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from domain.ids import new_id
from tests import worlds
from tests.inbox import post as inbound
from tests.twilio.conftest import (
    HELLO,
    PREFIX,
    TO,
    Web,
    account_of,
    assign,
    captured,
    failure,
    statuses,
)

KEYS = {
    *("account_sid", "api_version", "body", "date_created", "date_sent", "date_updated"),
    *("direction", "error_code", "error_message", "from", "messaging_service_sid", "num_media"),
    *("num_segments", "price", "price_unit", "sid", "status", "subresource_uris", "to", "uri"),
}


async def texts_of(message: dict[str, Any]) -> list[str | None]:
    """All stored texts of a message."""
    rows = await worlds.fetch(
        "SELECT message.text AS own, send.text AS shared"
        " FROM message JOIN send ON send.id = send_id WHERE message.id = $1",
        message["sid"][2:],
    )
    return [rows[0]["own"], rows[0]["shared"]]


async def test_a_created_message_has_every_key_and_is_charged_once(web: Web) -> None:
    body = await web.created(Body="Grüße €")
    assert body.keys() == KEYS
    assert (body["to"], body["body"], body["status"]) == (TO, "Grüße €", "queued")
    assert (body["direction"], body["num_segments"], body["num_media"]) == (
        "outbound-api",
        "1",
        "0",
    )
    assert body["date_created"].endswith(" +0000")
    assert parsedate_to_datetime(body["date_created"]).utcoffset() == timedelta(0)
    absent = ("from", "price", "error_code", "error_message", "date_sent", "messaging_service_sid")
    assert [body[each] for each in absent] == [None] * len(absent)
    assert (await web.call("GET", f"/Messages/{body['sid']}.json")).json() == body
    assert await worlds.held(web.app.owner.account_id) == 99


REFUSED_FORMS: list[tuple[dict[str, Any], int]] = [
    ({"Body": "Hi"}, 21604),
    ({"To": "", "Body": "Hi"}, 21604),
    ({"To": "  ", "Body": "Hi"}, 21604),
    ({"To": TO}, 21602),
    ({"To": TO, "Body": ""}, 21602),
    ({"To": TO, "Body": "   "}, 21618),
    ({"To": TO, "Body": "a\x07b"}, 21618),
    ({"To": TO, "Body": "x" * 2000}, 21617),
    ({"To": TO, "Body": "х" * 700}, 21617),
    ({"To": "12", "Body": "Hi"}, 21211),
    ({"To": "call me", "Body": "Hi"}, 21211),
    ({"To": "\x00", "Body": "Hi"}, 21211),
    ({"To": TO, "Body": "Hi", "MediaUrl": ["https://a.test/1", "https://a.test/2"]}, 21620),
    ({"To": TO, "MediaUrl": "https://a.test/1"}, 21620),
    ({"To": TO, "Body": "Hi", "ContentSid": "HX1"}, 21656),
    ({"To": TO, "Body": "Hi", "MaxPrice": "0.01"}, 20001),
    ({"To": TO, "Body": "Hi", "ContentRetention": "discard"}, 20001),
    ({"To": TO, "Body": "Hi", "Bdoy": "Hi"}, 20001),
    ({"To": [TO, "+12025550102"], "Body": "Hi"}, 20001),
]


async def test_a_form_that_cannot_be_sent_has_the_code_of_its_reason(web: Web) -> None:
    for form, code in REFUSED_FORMS:
        failure(await web.create(form), 400, code)
    assert await worlds.held(web.app.owner.account_id) == 100


async def test_fields_that_change_nothing_are_accepted(web: Web) -> None:
    await web.created(
        MessagingServiceSid="MG" + "0" * 32,
        SmartEncoded="true",
        ProvideFeedback="false",
        ContentRetention="retain",
        SendAsMms="false",
        Attempt="1",
    )


async def test_a_plus_that_arrives_as_a_blank_is_understood(web: Web) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for raw, number in {
        "To=+12025550101": "+12025550101",
        "To=%2B12025550101": "+12025550101",
        "To=+447400123456": "+447400123456",
        "To=%20%20202+555+0101": "+12025550101",
    }.items():
        answer = await web.call("POST", "/Messages.json", content=f"{raw}&Body=Hi", headers=form)
        assert (answer.status_code, answer.json()["to"]) == (201, number)
    for digits in ("4572101019", "2025550101", "120255501"):
        content = f"To=+{digits}&Body=Hi"
        answer = await web.call("POST", "/Messages.json", content=content, headers=form)
        assert "%2B" in failure(answer, 400, 21211)


FORM = "application/x-www-form-urlencoded"
BODIES = [
    ("application/json", b'{"To": "+12025550101", "Body": "Hi"}', 415, 20415),
    ("multipart/form-data; boundary=x", b"--x--", 415, 20415),
    (f"{FORM}; charset=utf-16", b"To=1", 415, 20415),
    ("", b"To=1", 415, 20415),
    (FORM, b"To=%ff&Body=Hi", 400, 20001),
    (FORM, b"To=\xff&Body=Hi", 400, 20001),
    (FORM, b"a=1&" * 200, 400, 20001),
    (FORM, b"Body=" + b"x" * 70_000, 413, 20413),
    (FORM, b"Body=" + b"x" * 1_100_000, 413, 20413),
]


async def test_a_message_is_scheduled_and_wrong_times_are_refused(web: Web) -> None:
    now = datetime.now(UTC)
    later = (now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = await web.created(ScheduleType="fixed", SendAt=later)
    assert made["status"] == "scheduled"
    rows = await worlds.fetch("SELECT send_at FROM message")
    assert rows[0]["send_at"].strftime("%Y-%m-%dT%H:%M:%SZ") == later
    await worlds.execute("UPDATE message SET send_at = clock_timestamp()")
    assert (await web.listed())[0]["status"] == "queued"
    for days, code in ((-1, 35114), (31, 35114)):
        time = (now + timedelta(days=days)).isoformat()
        failure(await web.create({**HELLO, "ScheduleType": "fixed", "SendAt": time}), 400, code)
    wrong = [
        ({"SendAt": later}, 20001),
        ({"ScheduleType": "optimize", "SendAt": later}, 20001),
        ({"ScheduleType": "fixed"}, 35114),
        ({"ScheduleType": "fixed", "SendAt": "tomorrow"}, 35114),
    ]
    for form, code in wrong:
        failure(await web.create({**HELLO, **form}), 400, code)
    assert await worlds.held(web.app.owner.account_id) == 99


async def test_a_body_that_is_no_small_form_is_refused(web: Web) -> None:
    for content_type, content, status, code in BODIES:
        headers = {"content-type": content_type}
        answer = await web.call("POST", "/Messages.json", content=content, headers=headers)
        failure(answer, status, code)
    zipped = {"content-type": FORM, "content-encoding": "gzip"}
    answer = await web.call("POST", "/Messages.json", content=b"To=1", headers=zipped)
    failure(answer, 415, 20415)


async def test_a_repeated_key_sends_once(web: Web) -> None:
    keyed = {"idempotency-key": "order-1"}
    first = (await web.create(headers=keyed)).json()
    again = await web.create(headers=keyed)
    assert (again.status_code, again.json()) == (201, first)
    assert await worlds.held(web.app.owner.account_id) == 99
    other = await web.create({**HELLO, "Body": "Other"}, headers=keyed)
    assert "Idempotency-Key" in failure(other, 409, 20409)
    failure(await web.create(headers={"idempotency-key": "x" * 256}), 400, 20001)


async def test_refusals_before_a_send_have_codes(web: Web) -> None:
    owner = web.app.owner
    await worlds.execute(
        "INSERT INTO opt_out (client_id, number, source) VALUES ($1, $2, 'PERSON')",
        owner.client_id,
        "+12025550102",
    )
    failure(await web.create({**HELLO, "To": "+12025550102"}), 400, 21610)
    web.app.rate_limiter.requests_left = 0
    limited = await web.create()
    failure(limited, 429, 20429)
    assert limited.headers["retry-after"] == "7"
    web.app.rate_limiter.requests_left = None
    numbers = [f"+1202555{each:04}" for each in range(100, 200)]
    bulk = 'mutation ($to: [String!]!) { bulkSend(input: {to: $to, text: "Hi"}) { __typename } }'
    await web.app.answer("owner", bulk, to=numbers)  # all but the one that has opted out
    await web.created()
    assert "0 credits" in failure(await web.create(), 402, 20402)


async def test_each_status_has_its_word_and_code(web: Web) -> None:
    message = await web.created()
    words = {
        "SUBMITTING": ("sending", None),
        "SENT": ("sent", None),
        "DELIVERED": ("delivered", None),
        "UNDELIVERED": ("undelivered", 30008),
        "REJECTED": ("failed", 30008),
        "UNKNOWN": ("sending", 30008),
        "CANCELLED": ("canceled", None),
    }
    for status, (word, code) in words.items():
        await statuses(status, message)
        body = (await web.call("GET", f"/Messages/{message['sid']}.json")).json()
        assert (body["status"], body["error_code"]) == (word, code)


async def test_a_queued_message_is_cancelled_and_refunded_once(web: Web) -> None:
    message, other = await web.created(), await web.created()
    for _ in range(2):
        path = f"/Messages/{message['sid']}.json"
        answer = await web.call("POST", path, data={"Status": "canceled"})
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert await worlds.held(web.app.owner.account_id) == 99
    await statuses("SENT", other)
    path = f"/Messages/{other['sid']}.json"
    failure(await web.call("POST", path, data={"Status": "canceled"}), 409, 30409)
    assert await worlds.held(web.app.owner.account_id) == 99


async def test_one_message_of_a_bulk_send_is_cancelled_alone(web: Web) -> None:
    await web.app.answer(
        "owner",
        'mutation { bulkSend(input: {to: ["2025550101", "2025550102"], text: "Hi"})'
        " { __typename ... on Send { id } } }",
    )
    [first, second] = await web.listed()
    await web.call("POST", f"/Messages/{first['sid']}.json", data={"Status": "canceled"})
    assert [each["status"] for each in await web.listed()] == ["canceled", "queued"]
    assert await worlds.held(web.app.owner.account_id) == 99
    assert second["body"] == "Hi"


async def test_other_updates_are_refused(web: Web) -> None:
    path = f"/Messages/{(await web.created())['sid']}.json"
    updates = [{}, {"Body": "New"}, {"Status": "sent"}, {"Status": "canceled", "Body": ""}]
    for form in updates:
        failure(await web.call("POST", path, data=form), 400, 20001)


async def test_an_emptied_text_is_stored_nowhere(web: Web) -> None:
    message = await web.created(Body="A secret")
    path = f"/Messages/{message['sid']}.json"
    failure(await web.call("POST", path, data={"Body": ""}), 409, 20009)
    await statuses("DELIVERED", message)
    before = (await web.call("GET", path)).json()
    answer = await web.call("POST", path, data={"Body": ""})
    assert answer.json() == {**before, "body": ""}
    assert await texts_of(message) == ["", ""]
    assert (await web.call("POST", path, data={"Body": ""})).status_code == 200
    assert await worlds.fetch("SELECT FROM message WHERE text LIKE '%secret%'") == []


async def test_the_text_of_a_bulk_send_stays_until_its_last_message_is_emptied(web: Web) -> None:
    await web.app.answer(
        "owner",
        'mutation { bulkSend(input: {to: ["2025550101", "2025550102"], text: "A secret"})'
        " { __typename ... on Send { id } } }",
    )
    first, second = await web.listed()
    for each in (first, second):
        await statuses("SENT", each)
    for _ in range(2):
        await web.call("POST", f"/Messages/{first['sid']}.json", data={"Body": ""})
    assert [each["body"] for each in await web.listed()] == ["", "A secret"]
    await web.call("POST", f"/Messages/{second['sid']}.json", data={"Body": ""})
    assert await texts_of(second) == ["", ""]


async def test_a_deleted_message_leaves_every_list_and_the_ledger_stays(web: Web) -> None:
    kept, message = await web.created(), await web.created(Body="A secret")
    await captured()
    path = f"/Messages/{message['sid']}.json"
    failure(await web.call("DELETE", path), 409, 20009)
    await statuses("DELIVERED", message)
    answer = await web.call("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "DELETE", "POST"):
        failure(await web.call(method, path, data={"Body": ""}), 404, 20404)
    assert [each["sid"] for each in await web.listed()] == [kept["sid"]]
    assert [each["sid"] for each in await web.listed(To=TO)] == [kept["sid"]]
    seen = await web.app.ask("owner", "{ messages { nodes { id } } sends { nodes { accepted } } }")
    assert len(seen["data"]["messages"]["nodes"]) == 1
    assert len(seen["data"]["sends"]["nodes"]) == 2
    assert await texts_of(message) == ["", ""]
    assert await worlds.held(web.app.owner.account_id) == 98
    await worlds.assert_audit_holds()


async def test_inbound_messages_are_read_emptied_and_deleted(web: Web) -> None:
    await assign(web, inbound.OUR_NUMBER)
    for text in ("First secret", "Second secret"):
        await inbound.received(inbound.inbound(text, receiver=inbound.OUR_NUMBER))
    second, first = await web.listed()
    assert (second["direction"], second["status"]) == ("inbound", "received")
    assert (second["from"], second["to"]) == (inbound.PHONE, inbound.OUR_NUMBER)
    assert second["date_sent"] == second["date_created"]
    await web.call("POST", f"/Messages/{first['sid']}.json", data={"Body": ""})
    assert [each["body"] for each in await web.listed()] == ["Second secret", ""]
    last = "{ inbox { nodes { unread lastMessage { text } } } }"
    await web.call("DELETE", f"/Messages/{second['sid']}.json")
    [conversation] = (await web.app.ask("owner", last))["data"]["inbox"]["nodes"]
    assert conversation == {"unread": 1, "lastMessage": {"text": ""}}
    bodies = await worlds.fetch("SELECT body FROM webhook_event")
    assert [each["body"] for each in bodies] == [b"", b""]
    await web.call("DELETE", f"/Messages/{first['sid']}.json")
    assert (await web.app.ask("owner", last))["data"]["inbox"]["nodes"] == []
    await inbound.received(inbound.inbound("Third", receiver=inbound.OUR_NUMBER))
    [conversation] = (await web.app.ask("owner", last))["data"]["inbox"]["nodes"]
    assert conversation == {"unread": 1, "lastMessage": {"text": "Third"}}


async def test_a_conversation_shows_the_last_message_that_is_left(web: Web) -> None:
    await assign(web, inbound.OUR_NUMBER)
    await inbound.received(inbound.inbound("Question", receiver=inbound.OUR_NUMBER))
    answer = await web.created(To=inbound.PHONE, Body="Answer")
    await captured()
    document = "{ inbox { nodes { lastMessage { text } messages { nodes { text } } } } }"
    [before] = (await web.app.ask("owner", document))["data"]["inbox"]["nodes"]
    assert before["lastMessage"] == {"text": "Answer"}
    await statuses("DELIVERED", answer)
    await web.call("DELETE", f"/Messages/{answer['sid']}.json")
    [after] = (await web.app.ask("owner", document))["data"]["inbox"]["nodes"]
    assert after == {
        "lastMessage": {"text": "Question"},
        "messages": {"nodes": [{"text": "Question"}]},
    }


async def test_another_tenant_gets_the_answer_to_an_unknown_sid(web: Web) -> None:
    message = await web.created()
    await statuses("DELIVERED", message)
    unknown = "SM" + new_id().hex
    expected = {
        "sibling": (404, 20404),
        "supervisor": (403, 20403),
        "admin": (403, 20403),
        "nobody": (401, 20003),
    }
    forms = [("GET", {}), ("POST", {"Body": ""}), ("POST", {"Status": "canceled"}), ("DELETE", {})]
    for who, (status, code) in expected.items():
        for method, form in forms:
            answers = [
                await web.call(method, f"/Messages/{sid}.json", who=who, data=form or None)
                for sid in (message["sid"], unknown)
            ]
            failure(answers[0], status, code)
            assert answers[0].content == answers[1].content
    for who in ("owner", "direct"):
        answer = await web.call("GET", f"/Messages/{message['sid']}.json", who=who)
        assert answer.status_code == 200


async def test_the_message_of_another_tenant_is_unknown_in_the_own_account(web: Web) -> None:
    message = await web.created()
    await statuses("DELIVERED", message)
    sibling = f"{PREFIX}/Accounts/{account_of(web.app.sibling)}/Messages"
    for method in ("GET", "POST", "DELETE"):
        answers = [
            await web.http.request(
                method,
                f"{sibling}/{sid}.json",
                headers={"authorization": "Bearer sibling"},
                data={"Body": ""} if method == "POST" else None,
            )
            for sid in (message["sid"], "SM" + new_id().hex, "SMx", "MM" + message["sid"][2:])
        ]
        assert failure(answers[0], 404, 20404) == "No such message."
        assert {each.content for each in answers} == {answers[0].content}
