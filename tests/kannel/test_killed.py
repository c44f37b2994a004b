"""kill -9 of bearerbox under load: nothing is sent twice by us, and nothing is lost silently."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage
from providers.kannel import Kannel
from tests import db
from tests.dispatch.parts import QUICK, Opened, dispatching, eventually
from tests.kannel.conftest import Ibiki
from tests.kannel.gateway import BEARERBOX, PATIENCE, SMSBOX, Gateway
from tests.kannel.smpp import Answer, Network

pytestmark = [pytest.mark.xdist_group("kannel"), pytest.mark.timeout(600)]
MESSAGES, BEFORE = 300, 75
RULES = replace(QUICK, deadline_seconds=15.0, lease_seconds=30.0)


@dataclass
class Watched:
    """An account that counts accepted messages, and notes that one was refused."""

    account: Kannel
    accepted: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    refused: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.account, name)

    async def send(self, message: OutgoingMessage) -> Outcome:
        outcome = await self.account.send(message)
        self.accepted += isinstance(outcome, Accepted)
        if self.accepted >= BEFORE:
            self.enough.set()
        if isinstance(outcome, NotSent):
            self.refused.set()
        return outcome


async def test_bearerbox_is_killed_under_load_and_started_again(
    ibiki: Ibiki, gateway: Gateway, network: Network
) -> None:
    numbers = [f"+1202555{each:04d}" for each in range(3_000, 3_000 + MESSAGES)]
    network.answers |= {each.removeprefix("+"): Answer(receipts=["DELIVRD"]) for each in numbers}
    before = len(gateway.sent())
    account = Watched(gateway.account(deadline_seconds=10.0))
    send = await db.accept(ibiki.client, numbers=numbers)

    async def left(expected: set[str]) -> None:
        while not expected <= _left(network):
            network.changed.clear()
            await network.changed.wait()

    async def is_over() -> bool:
        return not {"QUEUED", "SUBMITTING"} & (await db.statuses(send.id)).keys()

    try:
        async with dispatching(Opened(account), rules=RULES):
            async with asyncio.timeout(PATIENCE):
                # By what is accepted: the network is in this program, and late when it is busy.
                await account.enough.wait()
                while not _left(network) & set(numbers):
                    network.changed.clear()
                    await network.changed.wait()
            await gateway.kill(BEARERBOX)
            account.refused.clear()
            # As a service manager does. By itself, smsbox is back ten seconds after bearerbox.
            await gateway.kill(SMSBOX)
            async with asyncio.timeout(PATIENCE):
                await account.refused.wait()
            assert not await is_over(), "killed too late to be under load"
            await gateway.start()
            await eventually(is_over, seconds=PATIENCE)
    finally:
        await account.close()
    await gateway.is_online()

    rows = await db.fetch("SELECT number, status FROM message")
    assert {row["status"] for row in rows} <= {"SENT", "DELIVERED", "UNKNOWN"}
    # Kannel's own log shows it: each message reached it once.
    taken = Counter(gateway.sent()[before:])
    assert not {number for number, times in taken.items() if times > 1}
    accepted = {row["number"] for row in rows if row["status"] != "UNKNOWN"}
    assert accepted <= taken.keys()
    # What is SENT leaves, also if it was only in Kannel's store when it was killed.
    async with asyncio.timeout(PATIENCE):
        await left(accepted)
    assert _left(network) & set(numbers) <= taken.keys()
    # A message whose answer was lost: if it left, Kannel's report says so.
    await ibiki.receives(
        "SELECT count(*) = 0 FROM message WHERE status = 'UNKNOWN' AND number = ANY($1)",
        list(_left(network)),
    )
    held = await db.held(ibiki.client.account_id)
    assert held == 1_000 - MESSAGES, "all stay charged, also those that are UNKNOWN"
    await db.assert_audit_holds()


def _left(network: Network) -> set[str]:
    """The numbers that the network was given a message for."""
    return {f"+{each.number}" for each in network.log}
