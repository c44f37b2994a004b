"""An inbound message reaches the right inbox once, with contact, conversation and route."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from domain.ids import new_id
from domain.inbox import receive, routing
from domain.inbox.capture import capture_contacts
from domain.inbox.receive import receive_due
from domain.inbox.routing import NO_NUMBER
from domain.inbox.webhooks import REPEAT_SECONDS
from persistence import store
from tests import db
from tests.inbox import post
from tests.inbox.post import OUR_NUMBER, PHONE, inbound

pytestmark = pytest.mark.usefixtures("connected")


async def assign(client_id: UUID, number: str = OUR_NUMBER) -> None:
    await db.assign_number(client_id, number)


async def route_by_hand(client_id: UUID, modem: str) -> None:
    await db.execute(
        "INSERT INTO modem_route (id, client_id, modem, port, learned)"
        " VALUES ($1, $2, $3, '1', false)",
        new_id(),
        client_id,
        modem,
    )


async def test_a_message_to_an_assigned_number_is_in_its_clients_inbox() -> None:
    client = await db.add_client(business="Anne's Cakes")
    await assign(client.client_id)
    call = inbound(
        "Two cakes", receiver="(202) 555-0111", modem="m1", firstname="Ada", messageId="abc"
    )
    (row,) = await post.received(call)
    assert (row["outcome"], row["reason"]) == ("ROUTED", routing.BY_NUMBER)
    assert (row["client_id"], row["modem"], row["port"]) == (client.client_id, "m1", "1")
    (message,) = await post.inbox_of(client.client_id)
    assert message["id"] == row["id"] == row["inbound_id"]
    assert (message["feed"], message["number"], message["text"]) == (1, PHONE, "Two cakes")
    assert (message["receiver"], message["modem"], message["port"]) == (OUR_NUMBER, "m1", "1")
    (contact,) = await db.fetch("SELECT * FROM contact")
    assert (contact["number"], contact["name"]) == (PHONE, "Ada")
    assert contact["business"] == "Anne's Cakes"
    (conversation,) = await db.fetch("SELECT * FROM conversation")
    assert (conversation["number"], conversation["unread"], conversation["last_message_id"]) == (
        PHONE,
        1,
        row["id"],
    )
    assert (conversation["modem"], conversation["port"]) == ("m1", "1")
    (route,) = await db.fetch("SELECT * FROM modem_route")
    assert (route["client_id"], route["learned"]) == (client.client_id, True)
    assert route["last_seen_at"] == row["received_at"]


async def test_every_rule_routes_in_its_turn() -> None:
    pool = await db.add_pool()
    anne, bob, carl = [await db.add_client(pool, name=each) for each in ("A", "B", "C")]
    await assign(anne.client_id)
    await route_by_hand(bob.client_id, "bob's")
    rows = await post.received(
        inbound("1", receiver=OUR_NUMBER, modem="shared"),
        inbound("2", modem="bob's"),
        inbound("3", modem="shared"),
        inbound("4", sender="+12025550144", modem="shared"),
        inbound("5", sender="+12025550145"),
    )
    await db.accept(carl, numbers=["+12025550146"])
    await post.submitted(pool)
    rows += await post.received(inbound("6", sender="+12025550146"))
    assert [(row["client_id"], row["reason"]) for row in rows] == [
        (anne.client_id, routing.BY_NUMBER),
        (bob.client_id, routing.BY_HAND),
        (anne.client_id, routing.BY_CONVERSATION),
        (anne.client_id, routing.BY_LINE),
        (None, routing.NOBODY),
        (carl.client_id, routing.BY_WRITING),
    ]
    assert [row["outcome"] for row in rows] == ["ROUTED"] * 4 + ["UNROUTED", "ROUTED"]


async def test_a_send_of_a_moment_ago_routes_the_answer() -> None:
    client = await db.add_client()
    await db.accept(client, numbers=[PHONE])
    await post.submitted(client.pool)
    (event_id,) = await post.stored(inbound())
    await receive_due(post.RECEIVER)
    (row,) = await post.rows_of([event_id])
    assert (row["outcome"], row["due_at"] is not None) == ("UNROUTED", True)
    await post.receive_all()
    (row,) = await post.rows_of([event_id])
    assert (row["client_id"], row["reason"]) == (client.client_id, routing.BY_WRITING)


async def test_a_sender_that_two_clients_sent_to_is_unrouted() -> None:
    pool = await db.add_pool()
    for name in ("Anne", "Bob"):
        await db.accept(await db.add_client(pool, name=name), numbers=[PHONE])
    await post.submitted(pool)
    (row,) = await post.received(inbound())
    assert (row["outcome"], row["reason"]) == ("UNROUTED", routing.SEVERAL_WROTE)
    assert await db.fetch("SELECT FROM inbound") == []


async def test_messages_that_were_never_submitted_route_nothing() -> None:
    pool = await db.add_pool()
    anne, bob = [await db.add_client(pool, name=each) for each in ("A", "B")]
    await db.accept(anne, numbers=[PHONE])
    await post.submitted(pool)
    await db.accept(bob, numbers=[PHONE])
    (row,) = await post.received(inbound())
    assert row["client_id"] == anne.client_id


async def test_a_send_of_more_than_30_days_ago_does_not_route() -> None:
    client = await db.add_client()
    await db.accept(client, numbers=[PHONE])
    await post.submitted(client.pool)
    await capture_contacts(store)
    old = UUID(int=1_600_000_000_000 << 80)
    await db.execute("UPDATE message SET id = $1", old)
    await db.execute("UPDATE sent_to SET message_id = $1", old)
    (row,) = await post.received(inbound())
    assert row["outcome"] == "UNROUTED"


async def test_a_reply_on_a_shared_line_makes_its_client_the_last_active_one() -> None:
    pool = await db.add_pool()
    anne, bob = [await db.add_client(pool, name=each) for each in ("A", "B")]
    await assign(anne.client_id)
    await assign(bob.client_id, "+12025550112")
    await post.received(
        inbound("to Bob", receiver="+12025550112", modem="m1"),
        inbound("to Anne", receiver=OUR_NUMBER, modem="m1"),
    )
    (row,) = await post.received(inbound("to the client last active", modem="m1"))
    assert row["client_id"] == anne.client_id
    sent = await db.accept(bob, numbers=[PHONE])
    await db.execute("UPDATE send SET modem = 'm1', port = '1' WHERE id = $1", sent.id)
    (row,) = await post.received(inbound("to Bob, who replied last", modem="m1"))
    assert row["client_id"] == bob.client_id


async def test_a_sender_without_a_number_is_unrouted() -> None:
    (row,) = await post.received(inbound(sender="72345", modem="m1"))
    assert (row["outcome"], row["reason"], row["modem"]) == ("UNROUTED", NO_NUMBER, "m1")
    assert row["due_at"] is None


async def test_a_repetition_changes_nothing() -> None:
    client = await db.add_client()
    await assign(client.client_id)
    call = inbound(receiver=OUR_NUMBER, messageId="abc")
    rows = await post.received(call, call | {"timestamp": "later"}, call)
    rows += await post.received(call)
    assert [row["outcome"] for row in rows] == ["ROUTED", *["DUPLICATE"] * 3]
    # Only a body that differs is stored again.
    assert [bool(row["body"]) for row in rows] == [True, True, False, False]
    assert [row["original_id"] for row in rows[2:]] == [rows[0]["id"]] * 2
    assert len(await post.inbox_of(client.client_id)) == 1
    assert (await db.fetch("SELECT unread FROM conversation")) == [{"unread": 1}]


async def test_an_id_that_a_modem_uses_again_is_a_new_message() -> None:
    client = await db.add_client()
    await assign(client.client_id)
    call = inbound(receiver=OUR_NUMBER, messageId="1")
    await post.received(call, call | {"message": "another text"}, call | {"from": "+12025550144"})
    texts = [(row["number"], row["text"]) for row in await post.inbox_of(client.client_id)]
    assert texts == [(PHONE, "Hello"), (PHONE, "another text"), ("+12025550144", "Hello")]


async def test_without_an_id_the_same_body_is_a_new_message_after_ten_minutes() -> None:
    client = await db.add_client()
    await assign(client.client_id)
    call = inbound("Yes", receiver=OUR_NUMBER)
    await post.received(call)
    await made_older(REPEAT_SECONDS - 60)
    (again,) = await post.received(call)
    assert again["outcome"] == "DUPLICATE"
    await made_older(REPEAT_SECONDS)
    (later,) = await post.received(call)
    assert later["outcome"] == "ROUTED"
    (again,) = await post.received(call)
    assert again["outcome"] == "DUPLICATE"
    assert len(await post.inbox_of(client.client_id)) == 2


async def test_many_processes_that_store_an_old_body_again_store_it_once() -> None:
    client = await db.add_client()
    await assign(client.client_id)
    calls = [inbound(f"{each}", receiver=OUR_NUMBER) for each in range(20)]
    await post.received(*calls)
    await made_older(REPEAT_SECONDS + 1)
    orders = [calls, calls[::-1], calls[10:] + calls[:10], calls]
    await asyncio.gather(*(post.stored(*each) for each in orders))
    await post.receive_all()
    assert len(await post.inbox_of(client.client_id)) == 40


async def made_older(seconds: float) -> None:
    await db.execute(
        "UPDATE webhook_event SET received_at = received_at - make_interval(secs => $1)", seconds
    )


async def test_concurrent_receivers_leave_no_gap_in_a_feed() -> None:
    pool = await db.add_pool()
    clients = [await db.add_client(pool, name=str(each)) for each in range(3)]
    for each, client in enumerate(clients):
        await route_by_hand(client.client_id, f"m{each}")
    calls = [
        inbound(str(each), sender=f"+120255501{each % 50 + 10}", modem=f"m{each % 3}")
        for each in range(150)
    ]
    await post.stored(*calls)
    await asyncio.gather(*(receive_some() for _ in range(4)))
    await post.receive_all()
    for client in clients:
        feed = [row["feed"] for row in await post.inbox_of(client.client_id)]
        assert feed == list(range(1, 51))
    unread = await db.fetch("SELECT sum(unread) AS unread FROM conversation")
    assert unread == [{"unread": 150}]


async def receive_some() -> None:
    while await receive_due(post.RECEIVER, most=7):
        pass


async def test_earlier_sends_join_a_new_conversation() -> None:
    client = await db.add_client()
    await assign(client.client_id)
    await db.accept(client, numbers=[PHONE])
    await capture_contacts(store)
    assert await db.fetch("SELECT FROM conversation") == []
    (row,) = await post.received(inbound(receiver=OUR_NUMBER))
    (conversation,) = await db.fetch("SELECT last_message_id FROM conversation")
    assert conversation["last_message_id"] == row["id"]
    await db.accept(client, numbers=[PHONE])
    await capture_contacts(store)
    (conversation,) = await db.fetch("SELECT last_message_id, unread FROM conversation")
    assert conversation["last_message_id"] > row["id"]
    assert conversation["unread"] == 1


async def test_an_event_is_written_more_rarely_the_longer_it_waits_for_a_capture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def busy(_: object) -> bool:
        return False

    monkeypatch.setattr(receive, "capture_contacts", busy)
    await db.accept(await db.add_client())
    await post.stored(inbound())
    for _ in range(8):
        await db.execute("UPDATE webhook_event SET due_at = clock_timestamp()")
        [began] = await db.fetch("SELECT clock_timestamp() AS at")
        await receive_due(post.RECEIVER)
    [row] = await db.fetch("SELECT tries, due_at, clock_timestamp() AS at FROM webhook_event")
    assert row["tries"] == 8
    assert began["at"] + timedelta(seconds=2) < row["due_at"]
    assert row["due_at"] <= row["at"] + timedelta(seconds=5)


async def test_a_faulty_event_does_not_delay_others(monkeypatch: pytest.MonkeyPatch) -> None:
    client = await db.add_client()
    await assign(client.client_id)
    await db.execute("ALTER TABLE inbound ADD CONSTRAINT poisoned CHECK (text <> 'poison')")
    rows = await post.received(
        *(inbound(text, receiver=OUR_NUMBER) for text in ("one", "poison", "two"))
    )
    assert [row["outcome"] for row in rows] == ["ROUTED", "UNROUTED", "ROUTED"]
    assert (rows[1]["due_at"] is not None, rows[1]["tries"]) == (True, 1)
    await db.execute("ALTER TABLE inbound DROP CONSTRAINT poisoned")
    await db.execute("UPDATE webhook_event SET due_at = now() WHERE due_at IS NOT NULL")
    await post.receive_all()
    feed = [row["text"] for row in await post.inbox_of(client.client_id)]
    assert feed == ["one", "two", "poison"]


async def test_two_tenants_on_one_line_never_see_each_others_messages() -> None:
    """Each phone writes to one of the clients. Its texts say to which."""
    pool = await db.add_pool()
    tenants = {name: await db.add_client(pool, name=name) for name in ("anne", "bob")}
    phones = {f"+1202555{each:04d}": ("anne", "bob")[each % 2] for each in range(100, 180)}
    for name, tenant in tenants.items():
        numbers = [phone for phone, owner in phones.items() if owner == name]
        await db.accept(tenant, numbers=numbers)
    await post.submitted(pool)
    calls = [
        inbound(f"for {owner} {each}", sender=phone, modem="shared")
        for each in range(4)
        for phone, owner in phones.items()
    ]
    await post.stored(*calls[: len(calls) // 2])
    await asyncio.gather(*(receive_some() for _ in range(3)))
    await post.stored(*calls[len(calls) // 2 :])
    await asyncio.gather(*(receive_some() for _ in range(3)))
    await post.receive_all()
    for name, tenant in tenants.items():
        texts = [row["text"] for row in await post.inbox_of(tenant.client_id)]
        assert len(texts) == 160
        assert all(text.startswith(f"for {name} ") for text in texts)
