"""Messages that are cancelled, emptied or deleted over the Twilio-compatible API."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests import db
from tests.inbox import post as inbound
from tests.twilio.conftest import TO, Web, assign, captured, failure, statuses


async def texts_of(message: dict[str, Any]) -> list[str | None]:
    """All stored texts of a message."""
    rows = await db.fetch(
        "SELECT message.text AS own, send.text AS shared"
        " FROM message JOIN send ON send.id = send_id WHERE message.id = $1",
        message["sid"][2:],
    )
    return [rows[0]["own"], rows[0]["shared"]]


async def test_a_queued_message_is_cancelled_and_refunded_once(web: Web) -> None:
    message, other = await web.created(), await web.created()
    for _ in range(2):
        path = f"/Messages/{message['sid']}.json"
        answer = await web.call("POST", path, data={"Status": "canceled"})
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert await db.held(web.app.owner.account_id) == 99
    await statuses("SENT", other)
    path = f"/Messages/{other['sid']}.json"
    failure(await web.call("POST", path, data={"Status": "canceled"}), 409, 30409)
    assert await db.held(web.app.owner.account_id) == 99


async def test_one_message_of_a_bulk_send_is_cancelled_alone(web: Web) -> None:
    await web.app.answer(
        "owner",
        'mutation { bulkSend(input: {to: ["2025550101", "2025550102"], text: "Hi"})'
        " { __typename ... on Send { id } } }",
    )
    [first, second] = await web.listed()
    await web.call("POST", f"/Messages/{first['sid']}.json", data={"Status": "canceled"})
    assert [each["status"] for each in await web.listed()] == ["canceled", "queued"]
    assert await db.held(web.app.owner.account_id) == 99
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
    assert await db.fetch("SELECT FROM message WHERE text LIKE '%secret%'") == []


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
    assert not answer.headers.keys() & {"content-length", "content-type"}  # RFC 9110, 8.6
    for method in ("GET", "DELETE", "POST"):
        failure(await web.call(method, path, data={"Body": ""}), 404, 20404)
    assert [each["sid"] for each in await web.listed()] == [kept["sid"]]
    assert [each["sid"] for each in await web.listed(To=TO)] == [kept["sid"]]
    seen = await web.app.ask("owner", "{ messages { nodes { id } } sends { nodes { accepted } } }")
    assert len(seen["data"]["messages"]["nodes"]) == 1
    assert len(seen["data"]["sends"]["nodes"]) == 2
    assert await texts_of(message) == ["", ""]
    assert await db.held(web.app.owner.account_id) == 98
    await db.assert_audit_holds()


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
    bodies = await db.fetch("SELECT body FROM webhook_event")
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


async def test_messages_that_are_changed_at_once_are_changed_once(web: Web) -> None:
    numbers = [f"+1202555{each:04}" for each in range(110, 120)]
    bulk = 'mutation ($to: [String!]!) { bulkSend(input: {to: $to, text: "Hi"}) { __typename } }'
    await web.app.answer("owner", bulk, to=numbers)
    await captured()
    messages = await web.listed()
    for each in messages[1:]:
        await statuses("DELIVERED", each)
    paths = [f"/Messages/{each['sid']}.json" for each in messages]
    calls = [("POST", {"Body": ""}), ("DELETE", None), ("POST", {"Body": ""}), ("DELETE", None)]
    tasks = [web.call(method, path, data=form) for method, form in calls for path in paths[1:]]
    tasks += [web.call("POST", paths[0], data={"Status": "canceled"}) for _ in range(5)]
    answers = await asyncio.gather(*tasks)
    codes = Counter(each.status_code for each in answers)
    assert set(codes) <= {200, 204, 404}
    assert codes[204] == len(paths) - 1
    rows = await db.fetch("SELECT emptied, text FROM send")
    assert (rows[0]["emptied"], rows[0]["text"]) == (9, "Hi")
    assert await db.held(web.app.owner.account_id) == 91
    assert (await web.call("DELETE", paths[0])).status_code == 204
    rows = await db.fetch("SELECT emptied, text FROM send")
    assert (rows[0]["emptied"], rows[0]["text"]) == (10, "")
    await db.assert_audit_holds()
