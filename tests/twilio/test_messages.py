"""Messages over the Twilio-compatible API: created, fetched, and kept apart by tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from domain import ids
from domain.dispatch.recording import reject_expired
from domain.ids import Kind, new_id
from persistence import store
from tests import db
from tests.dispatch.parts import marked
from tests.twilio.conftest import HELLO, PREFIX, TO, Web, account_of, assign, failure, statuses

OWN_NUMBER = "+12025550112"
KEYS = {
    *("account_sid", "api_version", "body", "date_created", "date_sent", "date_updated"),
    *("direction", "error_code", "error_message", "from", "messaging_service_sid", "num_media"),
    *("num_segments", "price", "price_unit", "sid", "status", "subresource_uris", "to", "uri"),
}


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
    assert await db.held(web.app.owner.account_id) == 99


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
    assert await db.held(web.app.owner.account_id) == 100


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
    nanoseconds = later.replace("Z", ".000000999Z")  # as the SDK for Java writes a time
    made = await web.created(ScheduleType="fixed", SendAt=nanoseconds)
    assert made["status"] == "scheduled"
    rows = await db.fetch("SELECT send_at FROM message")
    assert rows[0]["send_at"].strftime("%Y-%m-%dT%H:%M:%SZ") == later
    await db.execute("UPDATE message SET send_at = clock_timestamp()")
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
    assert await db.held(web.app.owner.account_id) == 99


async def test_a_message_is_not_submitted_after_its_validity_period(web: Web) -> None:
    short, long = await web.created(ValidityPeriod="60"), await web.created(ValidityPeriod="36000")
    pool_id = web.app.pool.id
    assert not await reject_expired(store, pool_id)
    assert {each["status"] for each in await web.listed()} == {"queued"}
    await db.execute(
        "UPDATE send SET expires_at = expires_at - interval '2 minutes'"
        " WHERE id = (SELECT send_id FROM message WHERE id = $1)",
        short["sid"][2:],
    )
    [call] = await marked(web.app.pool)
    assert [each.id.hex for each in call.messages] == [long["sid"][2:]]
    [late, early] = await web.listed()
    assert (early["status"], early["error_code"]) == ("failed", 30036)
    assert late["status"] == "sending"
    assert await db.held(web.app.owner.account_id) == 99
    await db.assert_audit_holds()


async def test_a_message_of_a_paused_account_expires_too(web: Web) -> None:
    message = await web.created(ValidityPeriod="1")
    await db.execute("UPDATE send SET expires_at = clock_timestamp()")
    assert not await reject_expired(store, web.app.pool.id)
    [found] = await web.listed()
    assert (found["sid"], found["status"]) == (message["sid"], "failed")
    assert await db.held(web.app.owner.account_id) == 100
    await reject_expired(store, web.app.pool.id)
    assert await db.fetch("SELECT FROM send WHERE expires_at IS NOT NULL") == []


async def test_a_wrong_validity_period_is_refused(web: Web) -> None:
    for wrong in ("0", "-1", "36001", "1.5", "soon", "9" * 5000, "\u0663"):
        failure(await web.create({**HELLO, "ValidityPeriod": wrong}), 400, 20001)


async def test_a_body_that_is_not_a_small_form_is_refused(web: Web) -> None:
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
    assert await db.held(web.app.owner.account_id) == 99
    other = await web.create({**HELLO, "Body": "Other"}, headers=keyed)
    assert "Idempotency-Key" in failure(other, 409, 20409)
    failure(await web.create(headers={"idempotency-key": "x" * 256}), 400, 20001)


async def test_refusals_before_a_send_have_codes(web: Web) -> None:
    owner = web.app.owner
    await db.opt_out(owner.client_id, "+12025550102")
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


async def test_a_from_that_is_a_number_of_the_client_chooses_its_line(web: Web) -> None:
    await web.app.answer(
        "admin",
        "mutation ($input: SetModemRouteInput!) { setModemRoute(input: $input) { __typename } }",
        input={
            "clientId": ids.encode(Kind.CLIENT, web.app.owner.client_id),
            "modem": "7",
            "port": "2",
            "assignedNumbers": [OWN_NUMBER],
        },
    )
    await assign(web, "+12025550113")
    made = await web.created(From=OWN_NUMBER)
    assert made["from"] == OWN_NUMBER
    assert (await web.listed())[0]["from"] == OWN_NUMBER
    [call] = await marked(web.app.pool)
    assert [(each.modem, each.port) for each in call.messages] == [("7", "2")]
    # Numbers without a line, of others, and names are accepted and not used.
    for sender in ("+12025550113", "+12025550199", "SHOP", "\x00"):
        other = await web.created(From=sender)
        assert other["from"] is None
    calls = await marked(web.app.pool)
    assert {each.modem for call in calls for each in call.messages} == {None}
    sibling = {"authorization": "Bearer sibling"}
    path = f"{PREFIX}/Accounts/{account_of(web.app.sibling)}/Messages.json"
    answer = await web.http.post(path, data={**HELLO, "From": OWN_NUMBER}, headers=sibling)
    assert answer.json()["from"] is None
    [call] = await marked(web.app.pool)
    assert [each.modem for each in call.messages] == [None]


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


async def test_the_message_of_another_tenant_is_unknown_in_an_account(web: Web) -> None:
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
