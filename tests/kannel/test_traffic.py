"""Messages through the real Kannel: sent, reported, refunded, received, answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.dispatch.recording import sweep
from domain.dispatch.rules import Observer
from domain.provider import Accepted
from domain.sending.messages import NewSend
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, Opened, answered, dispatching, eventually, marked
from tests.inbox import post
from tests.inbox.test_refusals import refund_is_due, refunds
from tests.kannel.conftest import Callback, Ibiki
from tests.kannel.gateway import PATIENCE, Gateway, running_gateway
from tests.kannel.smpp import REFUSED, THROTTLED, Answer, Network

pytestmark = [pytest.mark.xdist_group("kannel"), pytest.mark.timeout(600)]
RULES = replace(QUICK, deadline_seconds=30.0, lease_seconds=60.0)
LONG = "A text of two segments. " * 10
DELIVERED, FAILED = Answer(receipts=["DELIVRD"]), Answer(receipts=["UNDELIV"])
NO_NETWORK = Answer(status=REFUSED)

# A number, the text, what the network does with it or with its parts, and the end.
CASES: list[tuple[str, str, Answer | Sequence[Answer], str]] = [
    ("+12025550120", "Hello", Answer(), "SENT"),
    ("+12025550121", "Hello", DELIVERED, "DELIVERED"),
    ("+12025550122", "Hello", FAILED, "UNDELIVERED"),
    ("+12025550123", "Hello", Answer(receipts=["ENROUTE", "DELIVRD"]), "DELIVERED"),
    # Kannel forgets a message after its first final receipt, and this one says nothing.
    ("+12025550124", "Hello", Answer(receipts=["UNKNOWN", "DELIVRD"]), "SENT"),
    # Kannel drops a receipt that comes before the network's answer: SENT for ever.
    ("+12025550125", "Hello", Answer(receipts=["DELIVRD"], early=True), "SENT"),
    ("+12025550126", "Hello", NO_NETWORK, "REJECTED"),
    ("+12025550127", LONG, DELIVERED, "DELIVERED"),
    ("+12025550128", LONG, (DELIVERED, NO_NETWORK), "UNDELIVERED"),
    # The report of the second part does not come: Kannel asks for one of the first part only.
    ("+12025550129", LONG, (NO_NETWORK, DELIVERED), "UNDELIVERED"),
    ("+12025550130", LONG, (NO_NETWORK, NO_NETWORK), "UNDELIVERED"),
    ("+12025550131", LONG, (FAILED, DELIVERED), "UNDELIVERED"),
    # Kannel knows seven letters only, and says that these failed.
    ("+12025550132", "Hello", Answer(receipts=["DELIVERED"]), "DELIVERED"),
    ("+12025550133", "Hello", Answer(receipts=["BUFFERED"]), "SENT"),
]  # fmt: skip


async def dispatched(ibiki: Ibiki, gateway: Gateway, sends: Sequence[NewSend]) -> None:
    """Submits everything that is queued, through the gateway."""
    account = gateway.account()

    async def is_over() -> bool:
        found = [await db.statuses(send.id) for send in sends]
        return not any({"QUEUED", "SUBMITTING"} & each.keys() for each in found)

    try:
        async with dispatching(Opened(account), rules=RULES):
            await eventually(is_over, seconds=PATIENCE)
    finally:
        await account.close()


async def test_each_end_of_a_message_is_reported_and_only_what_was_refused_is_refunded(
    ibiki: Ibiki, gateway: Gateway, network: Network
) -> None:
    sends = {}
    for number, text, answers, _ in CASES:
        digits = number.removeprefix("+")
        parts = (answers, answers) if isinstance(answers, Answer) else answers
        network.answers[digits] = parts[0]
        network.answers |= {(digits, part): each for part, each in enumerate(parts, 1)}
        sends[number] = await db.accept(ibiki.client, numbers=[number], text=text)
    await dispatched(ibiki, gateway, list(sends.values()))
    expected = {number: "UNDELIVERED" if end == "REJECTED" else end for number, _, _, end in CASES}
    numbers, statuses = list(expected), list(expected.values())
    await ibiki.receives(
        "SELECT count(*) = $3 FROM message JOIN unnest($1::text[], $2::text[])"
        " AS expected (number, status) USING (number, status)",
        numbers, statuses, len(CASES),
    )  # fmt: skip
    await refund_is_due()
    for number, _, _, end in CASES:
        assert await db.statuses(sends[number].id) == {end: 1}, number
        assert await refunds(sends[number]) == ([1] if end == "REJECTED" else []), number
        assert len(network.sent_to(number)) == (2 if sends[number].text == LONG else 1)
    assert await db.held(ibiki.client.account_id) == 1_000 - len(CASES) + 1


async def test_a_message_is_given_to_a_network_again_that_had_too_many(
    ibiki: Ibiki, gateway: Gateway, network: Network
) -> None:
    number = "+12025550134"
    network.answers[number.removeprefix("+")] = Answer(status=THROTTLED)
    send = await db.accept(ibiki.client, numbers=[number])
    await dispatched(ibiki, gateway, [send])
    async with asyncio.timeout(PATIENCE):
        while not network.sent_to(number):
            network.changed.clear()
            await network.changed.wait()
    assert await db.statuses(send.id) == {"SENT": 1}
    network.answers[number.removeprefix("+")] = DELIVERED
    await ibiki.receives("SELECT status = 'DELIVERED' FROM message WHERE send_id = $1", send.id)
    assert len(network.sent_to(number)) >= 2
    assert await refunds(send) == []


async def test_what_a_silent_network_may_have_taken_is_not_refunded(
    ibiki: Ibiki, network: Network, callback: Callback
) -> None:
    number = "+12025550137"
    network.answers[number.removeprefix("+")] = Answer(status=None)
    quick = "transceiver-mode = true\nwait-ack = 2\nenquire-link-interval = 1"
    send = await db.accept(ibiki.client, numbers=[number])
    async with running_gateway(
        network_port=network.port,
        callback_port=callback.port,
        changes=[
            ("sms-resend-retry = 1440", "sms-resend-retry = 1"),
            ("transceiver-mode = true", quick),
        ],
    ) as impatient:
        await dispatched(ibiki, impatient, [send])
        await ibiki.receives(
            "SELECT status = 'UNDELIVERED' FROM message WHERE send_id = $1", send.id
        )
    assert len(network.sent_to(number)) == 2
    await refund_is_due()
    assert await db.statuses(send.id) == {"UNDELIVERED": 1}
    assert await refunds(send) == []


async def test_a_report_decides_a_message_although_our_process_was_killed(
    ibiki: Ibiki, gateway: Gateway, network: Network
) -> None:
    number = "+12025550135"
    network.answers[number.removeprefix("+")] = DELIVERED
    send = await db.accept(ibiki.client, numbers=[number])
    (call,) = await marked(ibiki.client.pool)
    account = gateway.account()
    try:
        outcome = await account.send(call.outgoing[0])
    finally:
        await account.close()
    assert outcome == Accepted(call.attempt_id.hex)  # and this process forgets it
    await db.execute("UPDATE attempt SET lease_until = now() - interval '1 s'")
    await sweep(store, Observer())
    assert await db.statuses(send.id) == {"UNKNOWN": 1}
    await db.execute("UPDATE webhook_event SET due_at = now() WHERE due_at IS NOT NULL")
    await ibiki.receives("SELECT status = 'DELIVERED' FROM message WHERE send_id = $1", send.id)
    await answered(ibiki.client.pool, call, outcome)
    assert await db.statuses(send.id) == {"DELIVERED": 1}


OURS = "+12025550190"


async def inbox_with(ibiki: Ibiki, count: int) -> list[str]:
    """The texts in the client's inbox once there are this many."""
    await db.assign_number(ibiki.client.client_id, OURS)
    await ibiki.receives(
        "SELECT count(*) = $2 FROM inbound WHERE client_id = $1", ibiki.client.client_id, count
    )
    return [row["text"] for row in await post.inbox_of(ibiki.client.client_id)]


async def test_texts_of_any_alphabet_and_length_reach_the_inbox_as_they_were_written(
    ibiki: Ibiki, network: Network
) -> None:
    phones = [f"+120255501{each}" for each in (40, 41, 42, 43, 47, 48)]
    await network.text_from(phones[0], OURS, b"Hello \x05t\x05 & 50% + \x00")
    await network.text_from(
        phones[1], OURS, "Привет \N{WAVING HAND SIGN}".encode("utf-16-be"), coding=8
    )
    await network.long_text_from(phones[2], OURS, [b"A" * 153, b"B" * 20])
    halves = [("Ж" * 67).encode("utf-16-be"), "Я".encode("utf-16-be")]
    await network.long_text_from(phones[3], OURS, halves, coding=8)
    await network.text_from(phones[4], OURS, b"\x01\x06\x00\x9f", coding=4)
    await network.text_from(phones[5], OURS, b"0")
    texts = await inbox_with(ibiki, 6)
    assert sorted(texts) == sorted(
        ["0", "Hello été & 50% + @", "Привет \N{WAVING HAND SIGN}",
         "A" * 153 + "B" * 20, "Ж" * 67 + "Я", "(binary data, not shown here)"]
    )  # fmt: skip
    rows = await post.inbox_of(ibiki.client.client_id)
    assert {row["number"] for row in rows} == set(phones)
    assert {(row["modem"], row["port"]) for row in rows} == {("network", OURS)}


async def test_a_text_waits_in_the_gateway_while_we_cannot_be_reached_and_comes_once(
    ibiki: Ibiki, callback: Callback, network: Network
) -> None:
    target, callback.target, callback.refused = callback.target, None, 0
    await network.text_from("+12025550145", OURS, b"Are you there?")
    async with asyncio.timeout(PATIENCE):
        while callback.refused < 2:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.05)
    callback.target = target
    assert await inbox_with(ibiki, 1) == ["Are you there?"]


async def test_a_reply_leaves_from_the_number_that_the_contact_wrote_to(
    ibiki: Ibiki, gateway: Gateway, network: Network
) -> None:
    phone = "+12025550146"
    await network.text_from(phone, OURS, b"A question")
    await inbox_with(ibiki, 1)
    (row,) = await post.inbox_of(ibiki.client.client_id)
    send = await db.accept(ibiki.client, numbers=[phone], text="An answer")
    await db.execute(
        "UPDATE send SET modem = $2, port = $3 WHERE id = $1", send.id, row["modem"], row["port"]
    )
    await dispatched(ibiki, gateway, [send])
    assert [(each.sender, each.text) for each in network.sent_to(phone)] == [
        (OURS.removeprefix("+"), "An answer")
    ]
    await db.assert_audit_holds()
