"""An adapter breaks its contract: its messages are UNKNOWN, and never sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from domain.provider import Accepted, Outcome, OutgoingMessage
from tests import db
from tests.dispatch.parts import QUICK, Scripted, dispatching, statuses_become

pytestmark = pytest.mark.usefixtures("connected")


async def raises(message: OutgoingMessage) -> Outcome:
    raise RuntimeError("a defect in an adapter")


async def never_ends(message: OutgoingMessage) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class OnlyFirst(Scripted):
    """Returns an outcome for the first message only."""

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        self.calls.append(messages)
        return [Accepted(None)]


@pytest.mark.parametrize(
    "provider",
    [Scripted(raises), Scripted(never_ends), OnlyFirst()],
    ids=["it raises", "it never ends", "it returns too few outcomes"],
)
async def test_messages_of_a_call_that_failed_on_our_side_are_unknown(provider: Scripted) -> None:
    client = await db.add_client(held=10)
    async with dispatching(provider, rules=QUICK):
        send = await db.accept(client, 3)
        await statuses_become({"UNKNOWN": 3}, of=send.id)
    assert len(provider.seen) == 3
    assert await db.held(client.account_id) == 7
    await db.assert_audit_holds()
