"""The main job on the running program, through the real Kannel, as an operator sets it up."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.program import Program, eventually, fresh_directory, signed_in, up
from tests.end_to_end.test_vendors import (
    ACCOUNT,
    ALLOCATE,
    CLIENT,
    REPLY,
    SEND,
    SYNC,
    USER,
    becomes,
    conversation,
    create,
    texts,
)
from tests.kannel.conftest import Callback
from tests.kannel.gateway import SENDSMS_PASSWORD, Gateway
from tests.kannel.smpp import REFUSED, Answer, Network

pytestmark = [pytest.mark.xdist_group("kannel"), pytest.mark.timeout(600)]
PHONE, REFUSES, OURS, EMAIL = "+12025550181", "+12025550182", "+12025550191", "k@ibiki.test"
BALANCES = "{ balances { platform { pool state } } }"


def set_up(program: Program, gateway: Gateway) -> None:
    """A client below a new account at Kannel, with units from a pool that is set by hand."""
    values = {
        "baseUrl": gateway.base_url,
        "username": "ibiki",
        "password": SENDSMS_PASSWORD,
        "sender": OURS,
        "callbackUrl": f"http://127.0.0.1:{gateway.callback_port}",
    }
    configuration = [{"name": name, "value": value} for name, value in values.items()]
    with signed_in(program, "admin@ibiki.test") as admin:
        account = create(
            admin, ACCOUNT, provider="kannel", configuration=configuration, isDefault=True
        )
        refused = admin.ask(SYNC, input={"providerAccountId": account})["sync"]
        assert "by hand" in refused["message"]
        create(admin, SYNC, providerAccountId=account, reading=1_000)
        assert admin.ask(BALANCES)["balances"]["platform"] == {"pool": 1_000, "state": "IN_SYNC"}
        client = create(admin, CLIENT, name="Kanda", assignedNumbers=[OURS])
        create(admin, ALLOCATE, clientId=client, units=50, note="Start")
        new = {"email": EMAIL, "password": program.password, "role": "CLIENT"}
        create(admin, USER, clientId=client, **new)


async def test_a_send_its_reports_an_answer_and_a_reply(
    gateway: Gateway, network: Network, callback: Callback
) -> None:
    network.answers[PHONE.removeprefix("+")] = Answer(receipts=["DELIVRD"])
    network.answers[REFUSES.removeprefix("+")] = Answer(status=REFUSED)

    def sends(program: Program) -> None:
        with signed_in(program, EMAIL) as client:
            for number, status in ((PHONE, "DELIVERED"), (REFUSES, "UNDELIVERED")):
                becomes(client, client.ask(SEND, to=number)["send"]["id"], status)

    def replies(program: Program) -> None:
        with signed_in(program, EMAIL) as client:
            replied = client.ask(REPLY, id=conversation(client)["id"])["reply"]
            assert replied == {"__typename": "Reply", "warning": None}
            expected = [
                ("INBOUND", "Привет"),
                ("OUTBOUND", "And to you"),
                ("OUTBOUND", "Good morning"),
            ]
            eventually(lambda: texts(client) == expected)
            eventually(lambda: len(network.sent_to(PHONE)) == 2)

    with fresh_directory() as directory:
        running = up(directory, WEBHOOK_SECRET="CHANGE-SECRET")
        program = await asyncio.to_thread(running.__enter__)
        try:
            callback.target = urlsplit(await asyncio.to_thread(lambda: program.address)).port
            await asyncio.to_thread(set_up, program, gateway)
            await asyncio.to_thread(sends, program)
            await network.text_from(PHONE, OURS, "Привет".encode("utf-16-be"), coding=8)
            await asyncio.to_thread(replies, program)
        finally:
            callback.target = None
            await asyncio.to_thread(running.__exit__, None, None, None)
    assert {each.sender for each in network.sent_to(PHONE)} == {OURS.removeprefix("+")}
    printed = "".join(program.printed)
    for secret in ("CHANGE-SECRET", SENDSMS_PASSWORD, "Привет"):
        assert secret not in printed
