"""Each outcome of a call, over real HTTP and checked with the simulator's log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from domain.dispatch.rules import DispatchRules
from domain.dispatch.settlement import GIVEN_UP
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from tests import db
from tests.dispatch.parts import QUICK, Opened, dispatching, eventually, statuses_become
from tests.providers.far_end import FarEnd, listening, unresponsive
from tests.providers.simulated import Simulated, simulated

PLAIN, OTHER, THIRD = "+12025550101", "+12025550102", "+12025550103"
INVALID = "+12025550160"
pytestmark = pytest.mark.usefixtures("connected")

PATIENT = replace(QUICK, deadline_seconds=5.0, lease_seconds=10.0)


@dataclass
class Setup:
    """A client that holds 100, whose sends go to a simulator."""

    client: db.Tenant
    simulator: Simulated

    async def ends(self, **expected: int) -> None:
        """Waits until messages are in these statuses, and checks the books."""
        await statuses_become(expected)
        given_back = expected.get("REJECTED", 0)
        sent = sum(expected.values()) - given_back
        assert await db.held(self.client.account_id) == 100 - sent
        await db.assert_audit_holds()


@asynccontextmanager
async def started_setup(rules: DispatchRules = PATIENT) -> AsyncIterator[Setup]:
    client = await db.add_client(await db.add_pool(held=1000), held=100)
    async with (
        simulated(deadline_seconds=rules.deadline_seconds) as simulator,
        dispatching(Opened(simulator.provider), rules=rules),
    ):
        yield Setup(client, simulator)


async def test_a_single_is_taken_and_its_reference_kept() -> None:
    async with started_setup() as setup:
        await db.accept(setup.client, numbers=[PLAIN])
        await setup.ends(SENT=1)
        (request,) = await setup.simulator.log()
        assert request["path"] == "/api/v2/sms/sendsingle"
        (row,) = await db.fetch("SELECT reference, failure FROM message")
        assert row == {"reference": request["messages"][0]["id"], "failure": None}
        (attempt,) = await db.fetch(
            "SELECT outcome, ended_at IS NULL AS open, dispatcher_id, lease_until FROM attempt"
        )
        ended = {"open": False, "dispatcher_id": None, "lease_until": None}
        assert attempt == {"outcome": "ACCEPTED", **ended}


async def test_one_text_to_many_leaves_in_bulk_calls_and_different_texts_in_multi_calls() -> None:
    async with started_setup() as setup:
        await db.accept(setup.client, 40, text="the same")
        await db.accept(setup.client, texts=["one", "two", "three"])
        await setup.ends(SENT=43)
        by_path = {request["path"]: request["messages"] for request in await setup.simulator.log()}
        assert len(by_path["/api/v2/sms/sendbulk"]) == 40
        assert [each["text"] for each in by_path["/api/v2/sms/sendbulkmulti"]] == [
            "one",
            "two",
            "three",
        ]
        rows = await db.fetch("SELECT number, reference FROM message")
        taken = [(each["recipient"], each["id"]) for batch in by_path.values() for each in batch]
        assert sorted((row["number"], row["reference"]) for row in rows) == sorted(taken)


async def test_a_refused_message_is_rejected_and_refunded_at_once() -> None:
    async with started_setup() as setup:
        send = await db.accept(setup.client, numbers=[INVALID])
        await setup.ends(REJECTED=1)
        (row,) = await db.fetch("SELECT failure FROM message")
        assert row["failure"] == "The network refused the number as invalid."
        (refund,) = await db.fetch("SELECT * FROM transfer WHERE kind = 'REFUND'")
        assert (refund["send_id"], refund["amount"], refund["source_id"]) == (send.id, 1, None)


async def test_only_a_message_that_was_accepted_is_not_due_any_more() -> None:
    async with started_setup() as setup:
        await db.accept(setup.client, numbers=[PLAIN, INVALID])
        await setup.ends(SENT=1, REJECTED=1)
        rows = await db.fetch("SELECT status FROM message WHERE due_at IS NULL")
        assert rows == [{"status": "SENT"}]


async def test_a_bulk_call_refused_as_a_whole_took_nothing_and_is_sent_again_singly() -> None:
    async with started_setup() as setup:
        await db.accept(setup.client, numbers=[PLAIN, INVALID, OTHER])
        await setup.ends(SENT=2, REJECTED=1)
        paths = [request["path"] for request in await setup.simulator.log()]
        assert paths == ["/api/v2/sms/sendbulk"] + ["/api/v2/sms/sendsingle"] * 3
        assert sorted(await setup.simulator.took()) == [PLAIN, OTHER]


async def test_of_a_multi_call_only_the_refused_message_is_refunded() -> None:
    async with started_setup() as setup:
        await db.accept(setup.client, numbers=[PLAIN, INVALID], texts=["one", "two"])
        await setup.ends(SENT=1, REJECTED=1)
        (attempt,) = await db.fetch("SELECT outcome, detail FROM attempt")
        assert attempt == {"outcome": "ACCEPTED", "detail": "The network refused this message."}


@pytest.mark.parametrize("kind", ["rate_limited", "unavailable"])
async def test_a_message_that_was_not_taken_is_sent_again_after_the_requested_pause(
    kind: str,
) -> None:
    async with started_setup() as setup:
        await setup.simulator.control("fault", kind=kind, times=2, seconds=1)
        await db.accept(setup.client, numbers=[PLAIN])
        await setup.simulator.has_seen(1)
        await setup.ends(SENT=1)
        assert await setup.simulator.took() == [PLAIN]
        (row,) = await db.fetch("SELECT attempts, waiting_for FROM message")
        assert row == {"attempts": 3, "waiting_for": None}


@pytest.mark.parametrize("kind", ["no_credits", "bad_key", "forbidden"])
async def test_a_refusal_of_the_account_lets_the_messages_wait_until_a_probe_passes(
    kind: str,
) -> None:
    async with started_setup() as setup:
        await setup.simulator.control("fault", kind=kind, times=2)
        await db.accept(setup.client, numbers=[PLAIN])
        await setup.ends(SENT=1)
        assert await setup.simulator.took() == [PLAIN]
        outcomes = await db.fetch("SELECT outcome FROM attempt ORDER BY started_at")
        assert [row["outcome"] for row in outcomes] == [
            "ACCOUNT_REFUSED",
            "ACCOUNT_REFUSED",
            "ACCEPTED",
        ]
        (account,) = await db.fetch("SELECT paused_at, pause_reason FROM provider_account")
        assert account == {"paused_at": None, "pause_reason": None}


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("hang_after", True),
        ("hang_before", False),
        ("reset_after", True),
        ("reset_before", False),
        ("cut", True),
        ("html", True),
        ("empty", True),
        ("wrong_types", True),
        ("unavailable_html", False),
        ("broken", False),
        ("not_found", False),
    ],
)
async def test_whatever_is_not_clear_is_unknown_stays_charged_and_is_never_sent_again(
    kind: str, taken: bool
) -> None:
    async with started_setup(QUICK) as setup:
        await setup.simulator.control("fault", kind=kind, times=1)
        await db.accept(setup.client, numbers=[PLAIN])
        await setup.ends(UNKNOWN=1)
        # Later messages are submitted. The UNKNOWN ones are not.
        await db.accept(setup.client, numbers=[OTHER])
        await setup.ends(UNKNOWN=1, SENT=1)
        assert await setup.simulator.took() == [PLAIN] * taken + [OTHER]
        assert [len(each["messages"]) for each in await setup.simulator.log()] == [1, 1]


async def test_a_message_taken_without_a_reference_is_sent() -> None:
    async with started_setup() as setup:
        await setup.simulator.control("fault", kind="no_reference", times=1)
        await db.accept(setup.client, numbers=[PLAIN])
        await setup.ends(SENT=1)
        assert await db.fetch("SELECT reference FROM message") == [{"reference": None}]


async def test_a_connection_that_is_never_made_leaves_the_messages_queued_with_the_reason() -> None:
    client = await db.add_client(held=100)
    async with unresponsive() as port:
        provider = ExtremeSMS(_account(f"http://127.0.0.1:{port}"))
        async with dispatching(Opened(provider)):
            await db.accept(client, numbers=[PLAIN])
            await eventually(_was_tried_twice)
        await provider.close()
    (row,) = await db.fetch("SELECT status, waiting_for, attempt_id FROM message")
    assert row == {
        "status": "QUEUED",
        "waiting_for": "No connection was made in time.",
        "attempt_id": None,
    }
    assert await db.held(client.account_id) == 99


async def test_a_message_that_is_not_taken_for_a_day_is_rejected_and_refunded() -> None:
    client = await db.add_client(held=100)
    async with listening(FarEnd()) as far_end:
        base_url = far_end.base_url
    provider = ExtremeSMS(_account(base_url))
    async with dispatching(Opened(provider), rules=replace(QUICK, give_up_seconds=1.0)):
        await db.accept(client, 30)
        await statuses_become({"REJECTED": 30})
    await provider.close()
    rows = await db.fetch("SELECT DISTINCT failure FROM message")
    assert rows == [{"failure": GIVEN_UP}]
    assert await db.held(client.account_id) == 100
    await db.assert_audit_holds()


def _account(base_url: str) -> ProviderConfig:
    return ProviderConfig(
        base_url=base_url,
        api_key="key",
        deadline_seconds=QUICK.deadline_seconds,
        connect_seconds=0.2,
        loopback_only=True,
    )


async def _was_tried_twice() -> bool:
    (row,) = await db.fetch("SELECT attempts, status FROM message")
    return bool(row["attempts"] >= 2 and row["status"] == "QUEUED")
