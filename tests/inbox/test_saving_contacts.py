"""Contacts as users save and delete them, and opt-outs by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain import ids
from domain.ids import FIRST_ID, Kind
from domain.inbox.capture import capture_contacts
from domain.live import hints
from persistence import store
from persistence.database import listen
from tests import db
from tests.inbox import post
from tests.installations import App
from tests.locks import blocked, holding

SAVE = """mutation ($input: SaveContactInput!) { saveContact(input: $input) { __typename
    ... on Contact { id number name business optedOut } ... on UserError { message } } }"""
DELETE = """mutation ($input: DeleteContactInput!) { deleteContact(input: $input) { __typename
    ... on Contact { number optedOut } ... on UserError { message } } }"""
SEARCH = """query ($search: String) { contacts(search: $search) {
    nodes { number name business optedOut } } }"""
SEND = """mutation ($input: SendInput!) { send(input: $input) { __typename
    ... on Send { id charged counts { cancelled } } } }"""
NUMBER = "+12025550120"


async def save(app: App, who: str = "owner", **given: Any) -> Any:
    return await app.answer(who, SAVE, input={"number": NUMBER, **given})


async def found(app: App, search: str | None = None, who: str = "owner") -> Any:
    return (await app.answer(who, SEARCH, search=search))["nodes"]


async def send(app: App) -> Any:
    return await app.answer("owner", SEND, input={"to": NUMBER, "text": "Hi"})


@pytest.mark.parametrize("written", ["(202) 555-0120", "2025550120", "001 202 555 0120", NUMBER])
async def test_a_contact_is_created_and_found(app: App, written: str) -> None:
    answer = await save(app, number=written, name=" Ada ", business="Acme")
    assert answer.pop("id").startswith("con_")
    expected = {"number": NUMBER, "name": "Ada", "business": "Acme", "optedOut": False}
    assert answer == {"__typename": "Contact", **expected}
    for search in ("ada", "202-555-01", "acme"):
        assert await found(app, search) == [expected]
    assert await found(app, who="sibling") == []


async def test_an_existing_short_code_can_be_named_and_no_other(app: App) -> None:
    await db.execute(
        "INSERT INTO contact (id, client_id, number) VALUES (gen_random_uuid(), $1, '68849')",
        app.owner.client_id,
    )
    assert (await save(app, number="68849", name="Bank"))["name"] == "Bank"
    assert await found(app) == [
        {"number": "68849", "name": "Bank", "business": None, "optedOut": False}
    ]
    for who, number in (("sibling", "68849"), ("owner", "68850"), ("owner", "")):
        refused = await save(app, who, number=number)
        assert refused["__typename"] == "InvalidPhoneNumber"


async def test_null_clears_and_what_is_absent_stays(app: App) -> None:
    first = await save(app, name="Ada", business="Acme")
    assert (await save(app, name="Eve")) == {**first, "name": "Eve"}
    assert (await save(app, business=None)) == {**first, "name": "Eve", "business": None}
    assert (await save(app, name=None)) == {**first, "name": None, "business": None}
    assert (await save(app)) == {**first, "name": None, "business": None}


@pytest.mark.parametrize("number", ["", "12", "0700-ADA", "2025550120 x 5", "9" * 2_000])
async def test_an_invalid_number_is_refused(app: App, number: str) -> None:
    answer = await save(app, number=number)
    assert answer["__typename"] == "InvalidPhoneNumber"
    assert await found(app) == []


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", "a\0", "\ud800"])
async def test_a_name_that_cannot_be_stored_is_refused(app: App, name: str) -> None:
    given = {"number": NUMBER, "name": name}
    assert await app.code("owner", SAVE, input=given) == "BAD_USER_INPUT"
    assert await found(app) == []


async def test_opting_out_by_hand_stops_sends_and_cancels_queued_messages(app: App) -> None:
    sent = await send(app)
    await capture_contacts(store)
    assert await db.held(app.owner.account_id) == 99
    assert (await save(app, optedOut=True))["optedOut"] is True
    assert await db.statuses(ids.decode(Kind.SEND, sent["id"])) == {"CANCELLED": 1}
    assert await db.held(app.owner.account_id) == 100
    assert (await send(app))["__typename"] == "NoValidRecipients"
    assert (await save(app, name="Ada", optedOut=None))["optedOut"] is True
    assert (await save(app, optedOut=True))["optedOut"] is True
    assert (await save(app, optedOut=False))["optedOut"] is False
    assert (await send(app))["__typename"] == "Send"
    await db.assert_audit_holds()


async def test_a_send_that_is_captured_after_the_opt_out_is_cancelled(app: App) -> None:
    sent = await db.accept(app.owner, numbers=[NUMBER])
    await save(app, optedOut=True)
    await capture_contacts(store)
    assert await db.statuses(sent.id) == {"CANCELLED": 1}
    await db.assert_audit_holds()


async def test_opting_out_by_hand_waits_for_a_capture(app: App) -> None:
    """Without a lock, the capture and the opt-out would not see each other."""
    sent = await db.accept(app.owner, numbers=[NUMBER])
    sends: list[Any] = []

    async def begin(tx: Any) -> None:
        sends.extend(await store.take_uncaptured(tx, most=1))
        await store.share_feeds(tx, {app.owner.client_id})

    async def go_on(tx: Any) -> None:
        assert await store.opted_out_among(tx, [sent.id], after=FIRST_ID, until=None) == []
        await store.capture_numbers(tx, sends, after=FIRST_ID, most=10)
        await store.keep_captured(tx, [sent.id])

    async with holding(begin, go_on):
        saving = asyncio.create_task(save(app, optedOut=True))
        await blocked(saving)
    await saving
    assert await db.statuses(sent.id) == {"CANCELLED": 1}


async def test_an_opt_out_by_hand_concerns_one_client(app: App) -> None:
    await save(app, optedOut=True)
    assert (await save(app, "sibling", name="Ada"))["optedOut"] is False


async def test_a_deleted_contact_keeps_its_opt_out(app: App) -> None:
    await db.accept(app.owner, numbers=[NUMBER])
    contact_id = (await save(app, name="Ada", optedOut=True))["id"]
    given = {"id": contact_id}
    answer = await app.answer("owner", DELETE, input=given)
    assert answer == {"__typename": "Contact", "number": NUMBER, "optedOut": True}
    assert await found(app) == []
    assert len(await db.fetch("SELECT FROM message")) == 1
    again = await app.answer("owner", DELETE, input=given)
    assert again["__typename"] == "NotFound"
    assert (await save(app))["optedOut"] is True


async def test_subscribers_of_the_conversation_are_notified(app: App) -> None:
    await db.accept(app.owner, numbers=[NUMBER])
    await db.execute("UPDATE message SET status = 'SENT', attempts = 1, attempt_id = id")
    await capture_contacts(store)
    await post.received(post.inbound("Hello", sender=NUMBER))
    [row] = await db.fetch("SELECT id, updated_at FROM conversation")
    arrived: set[bytes] = set()
    forget = listen(arrived.update)
    try:
        contact_id = (await save(app, name="Ada"))["id"]
        assert hints.CONVERSATION + row["id"].bytes in arrived
        arrived.clear()
        await save(app, optedOut=True)
        assert hints.CONVERSATION + row["id"].bytes in arrived
        arrived.clear()
        await app.answer("owner", DELETE, input={"id": contact_id})
        assert hints.CONVERSATION + row["id"].bytes in arrived
        # A process that missed the hints finds the change by its time.
        [later] = await db.fetch("SELECT updated_at FROM conversation")
        assert later["updated_at"] > row["updated_at"]
    finally:
        forget()
