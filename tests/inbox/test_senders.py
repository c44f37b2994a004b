"""Senders in any spelling: numbers with or without a plus, short codes and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox import routing
from domain.inbox.capture import capture_contacts
from domain.inbox.receive import receive_due
from domain.inbox.senders import LONGEST_NAME, Sender, is_answerable, read_sender
from domain.numbers import Normaliser
from persistence import store
from tests import db
from tests.inbox import post
from tests.inbox.post import OUR_NUMBER, PHONE, inbound
from tests.inbox.test_receiving import assign, route_by_hand

AMBIGUOUS = "6595550143"  # a number in Alabama, or one in Singapore without its plus
ALABAMA, SINGAPORE = f"+1{AMBIGUOUS}", f"+{AMBIGUOUS}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("+12025550143", Sender(["+12025550143"])),
        ("(202) 555-0143", Sender(["+12025550143"])),
        ("256772000111", Sender(["+256772000111"])),
        ("00256772000111", Sender(["+256772000111"])),
        (AMBIGUOUS, Sender([ALABAMA, SINGAPORE])),
        ("68849", Sender((), "68849")),
        ("+68849", Sender((), "68849")),
        (" SUP\u200bPORT\n Desk ", Sender((), "SUP PORT Desk")),
        ("+ + ", Sender((), "")),
        ("", Sender((), "")),
        (None, Sender((), "")),
    ],
)
def test_a_sender_is_read(given: str | None, expected: Sender) -> None:
    assert read_sender(Normaliser(), given) == expected


@given(st.text(max_size=200))
def test_a_name_has_one_line_and_never_looks_like_a_number(given: str) -> None:
    sender = read_sender(Normaliser(), given)
    assert not is_answerable(sender.name)
    assert len(sender.name) <= LONGEST_NAME
    assert sender.name == " ".join(sender.name.split())
    assert all(is_answerable(number) for number in sender.numbers)
    sender.name.encode()


@pytest.fixture
async def client(connected: str) -> db.Tenant:
    """A client with its own number, and 100 credits."""
    client = await db.add_client(held=100)
    await assign(client.client_id)
    return client


@pytest.mark.parametrize("sender", ["68849", "SUPPORT", "+68849"])
async def test_a_short_code_or_name_reaches_the_inbox_of_the_assigned_number(
    client: db.Tenant, sender: str
) -> None:
    (row,) = await post.received(inbound("Code 1234", sender=sender, receiver=OUR_NUMBER))
    name = sender.lstrip("+")
    assert (row["outcome"], row["reason"]) == ("ROUTED", routing.BY_NUMBER)
    assert (row["client_id"], row["sender"]) == (client.client_id, name)
    (message,) = await post.inbox_of(client.client_id)
    assert message["number"] == name
    for table in ("contact", "conversation"):
        assert await db.fetch(f"SELECT number FROM {table}") == [{"number": name}]


async def test_a_short_code_is_routed_by_a_line_set_by_hand(client: db.Tenant) -> None:
    await route_by_hand(client.client_id, "own")
    (row,) = await post.received(inbound("Code 1234", sender="68849", modem="own"))
    assert (row["client_id"], row["reason"]) == (client.client_id, routing.BY_HAND)


async def test_a_short_code_is_not_routed_by_what_was_learned(client: db.Tenant) -> None:
    """The code could be for the operator, whose modem it is."""
    await post.received(inbound(receiver=OUR_NUMBER, modem="m1"))
    await post.received(inbound(sender="68849", receiver=OUR_NUMBER, modem="m1"))
    (row,) = await post.received(inbound("Code 1234", sender="68849", modem="m1"))
    assert (row["outcome"], row["reason"]) == ("UNROUTED", routing.NO_NUMBER)
    assert row["sender"] == "68849"


async def test_a_long_name_on_a_line_is_received(client: db.Tenant) -> None:
    call = inbound(sender="N" * 100, receiver=OUR_NUMBER, modem="m1")
    (row,) = await post.received(call)
    assert (row["outcome"], row["sender"]) == ("ROUTED", "N" * LONGEST_NAME)


async def test_a_sender_without_a_plus_is_the_number_that_was_sent_to(
    client: db.Tenant,
) -> None:
    await db.accept(client, numbers=["+256772000111"])
    await post.submitted(client.pool)
    (row,) = await post.received(inbound("STOP", sender="256772000111"))
    assert (row["client_id"], row["reason"]) == (client.client_id, routing.BY_WRITING)
    assert row["sender"] == "+256772000111"
    assert await db.fetch("SELECT number FROM opt_out") == [{"number": "+256772000111"}]


@pytest.mark.parametrize("sent_to", [ALABAMA, SINGAPORE])
async def test_of_two_readings_the_one_that_the_client_sent_to_counts(
    client: db.Tenant, sent_to: str
) -> None:
    await db.accept(client, numbers=[sent_to])
    await post.submitted(client.pool)
    rows = await post.received(
        inbound("to our number", sender=AMBIGUOUS, receiver=OUR_NUMBER),
        inbound("to nobody", sender=AMBIGUOUS),
    )
    assert [row["sender"] for row in rows] == [sent_to, sent_to]
    assert [row["client_id"] for row in rows] == [client.client_id] * 2


async def test_of_two_readings_that_were_not_sent_to_the_home_number_counts(
    client: db.Tenant,
) -> None:
    (row,) = await post.received(inbound(sender=AMBIGUOUS, receiver=OUR_NUMBER))
    assert row["sender"] == ALABAMA


async def test_readings_that_two_clients_sent_to_are_unrouted(client: db.Tenant) -> None:
    other = await db.add_client(client.pool, name="Other")
    await db.accept(client, numbers=[ALABAMA])
    await db.accept(other, numbers=[SINGAPORE])
    await post.submitted(client.pool)
    await capture_contacts(store)
    rows = await post.received(
        inbound("whose?", sender=AMBIGUOUS), inbound("ours", sender=AMBIGUOUS, receiver=OUR_NUMBER)
    )
    assert (rows[0]["outcome"], rows[0]["reason"]) == ("UNROUTED", routing.SEVERAL_NUMBERS)
    assert (rows[1]["client_id"], rows[1]["sender"]) == (client.client_id, ALABAMA)


async def test_a_receiver_without_a_plus_is_an_assigned_number(client: db.Tenant) -> None:
    await assign(client.client_id, "+256772000222")
    (row,) = await post.received(inbound(receiver="256772000222"))
    assert (row["client_id"], row["reason"]) == (client.client_id, routing.BY_NUMBER)


async def test_a_possible_number_in_a_new_area_code_is_enough(client: db.Tenant) -> None:
    """The library knows no such area code. The message proves that the number exists."""
    known, unknown = "5875550143", "2115550143"
    (row,) = await post.received(inbound(sender=known, receiver=OUR_NUMBER))
    (new,) = await post.received(inbound(sender=unknown, receiver=OUR_NUMBER))
    assert row["sender"] == f"+1{known}"
    assert (new["outcome"], new["sender"]) == ("ROUTED", f"+1{unknown}")


@pytest.mark.parametrize("written", ["256772000111", "+256 772 000 111", "00256772000111"])
async def test_a_delivery_report_matches_a_number_in_any_spelling(
    client: db.Tenant, written: str
) -> None:
    send = await db.accept(client, numbers=["+256772000111"])
    await post.submitted(client.pool, "ref")
    report = {"messageId": "ref", "status": "delivered", "recipient": written}
    await post.received(report)
    assert await db.statuses(send.id) == {"DELIVERED": 1}


async def test_a_delivery_report_of_another_number_moves_nothing(client: db.Tenant) -> None:
    send = await db.accept(client, numbers=[PHONE])
    await post.submitted(client.pool, "ref")
    for recipient in ("256772000111", "SUPPORT"):
        await post.stored({"messageId": "ref", "status": "delivered", "recipient": recipient})
    await receive_due(post.RECEIVER)
    assert await db.statuses(send.id) == {"SENT": 1}
