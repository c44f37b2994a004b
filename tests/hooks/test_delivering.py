"""Deliveries: written with the change that causes them, signed, in order, and repeated."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from domain import ids
from domain.hooks.deliveries import EventType
from domain.hooks.endpoints import EndpointChange
from domain.identity.access import OfClient
from domain.ids import Kind, new_id
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.hooks.conftest import (
    HookSetup,
    change_status,
    deliveries,
    end_leases,
    message_ids,
    rules,
    until,
)
from tests.hooks.receiver import Received


async def one_message(setup: HookSetup) -> UUID:
    send = await db.accept(setup.tenant)
    [message_id] = await message_ids(send.id)
    return message_id


async def test_a_stock_verifier_accepts_what_arrives(setup: HookSetup) -> None:
    endpoint_id = await setup.endpoint()
    message_id = await one_message(setup)
    await change_status(message_id, "SUBMITTING", "SENT")
    async with setup.worker():
        [received] = await setup.receiver.wait_for("/", 1)
    event = Webhook(setup.secrets[endpoint_id]).verify(received.body, dict(received.headers))
    assert event["type"] == "message.updated"
    assert event["id"] == received.headers["webhook-id"]
    assert event["data"]["id"] == ids.encode(Kind.MESSAGE, message_id)
    assert event["data"]["status"] == "SENT"


async def test_while_a_secret_is_rotated_both_verify(setup: HookSetup) -> None:
    endpoint_id = await setup.endpoint()
    rotated = await setup.hooks.rotate(setup.tenant.actor, endpoint_id)
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    async with setup.worker():
        [received] = await setup.receiver.wait_for("/", 1)
    for secret in (setup.secrets[endpoint_id], rotated.secret):
        Webhook(secret).verify(received.body, dict(received.headers))
    stored = await db.fetch("SELECT secret FROM hook_endpoint")
    assert rotated.secret.encode() not in bytes(stored[0]["secret"])


async def test_each_status_arrives_in_order_with_its_own_state(setup: HookSetup) -> None:
    await setup.endpoint()
    message_id = await one_message(setup)
    await change_status(message_id, "SUBMITTING", "UNKNOWN", "SENT", "DELIVERED")
    async with setup.worker():
        received = await setup.receiver.wait_for("/", 3)
    statuses = [each.event["data"]["status"] for each in received]
    assert statuses == ["UNKNOWN", "SENT", "DELIVERED"]


async def test_the_times_of_a_message_are_in_the_order_of_its_events(setup: HookSetup) -> None:
    await setup.endpoint()
    message_id = await one_message(setup)
    begun = asyncio.Event()

    async def submit() -> None:
        await begun.wait()
        await change_status(message_id, "SUBMITTING", "SENT")

    # Outside of the transaction, which a task inherits.
    submitting = asyncio.create_task(submit())
    async with store.transaction() as begun_first:
        await begun_first.execute("SELECT now()")
        begun.set()
        await submitting
        await begun_first.execute(
            "UPDATE message SET status = 'DELIVERED', updated_at = clock_timestamp() WHERE id = $1",
            message_id,
        )
    async with setup.worker():
        sent, delivered = await setup.receiver.wait_for("/", 2)
    assert sent.event["createdAt"] < delivered.event["createdAt"]
    assert sent.event["createdAt"] == sent.event["data"]["updatedAt"]


async def test_a_change_that_is_rolled_back_is_not_delivered(setup: HookSetup) -> None:
    await setup.endpoint()
    message_id = await one_message(setup)
    with pytest.raises(ZeroDivisionError):
        await _cancel_and_fail(message_id)
    assert await deliveries() == []


async def test_clients_without_endpoints_and_other_events_cost_no_rows(setup: HookSetup) -> None:
    other = await db.add_client(setup.tenant.pool)
    await setup.endpoint(tenant=other, events=[EventType.MESSAGE_RECEIVED])
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    send = await db.accept(other)
    await change_status((await message_ids(send.id))[0], "SUBMITTING", "SENT")
    assert await deliveries() == []


async def test_a_failed_delivery_is_repeated_before_the_next_of_its_message(
    setup: HookSetup,
) -> None:
    await setup.endpoint()
    first, second = await one_message(setup), await one_message(setup)
    failures = [500, 503, 302]

    def answer(received: Received) -> int:
        concerns_first = received.event["data"]["id"] == ids.encode(Kind.MESSAGE, first)
        return failures.pop() if concerns_first and failures else 200

    setup.receiver.answers["/"] = answer
    await change_status(first, "SUBMITTING", "SENT", "DELIVERED")
    await change_status(second, "SUBMITTING", "SENT")
    async with setup.worker():
        received = await setup.receiver.wait_for("/", 6)
    of_first = [
        each.event["data"]["status"]
        for each in received
        if each.event["data"]["id"] == ids.encode(Kind.MESSAGE, first)
    ]
    assert of_first == ["SENT"] * 4 + ["DELIVERED"]
    assert len({each.headers["webhook-id"] for each in received}) == 3
    rows = await deliveries()
    assert [(row["status"], row["attempts"]) for row in rows] == [
        ("DELIVERED", 4),
        ("DELIVERED", 1),
        ("DELIVERED", 1),
    ]


async def test_an_endpoint_that_hangs_delays_no_other(setup: HookSetup) -> None:
    await setup.endpoint("/hangs")
    await setup.endpoint("/answers")
    setup.receiver.hanging.add("/hangs")
    for _ in range(20):
        await change_status(await one_message(setup), "SUBMITTING", "SENT")
    longer = rules(deadline_seconds=2 * PATIENCE_SECONDS, lease_seconds=3 * PATIENCE_SECONDS)
    async with setup.worker(longer):
        await setup.receiver.wait_for("/answers", 20)
        assert len(setup.receiver.at("/hangs")) <= 2
        setup.receiver.closing.set()


async def test_an_endpoint_that_does_not_answer_by_the_deadline_has_failed(
    setup: HookSetup,
) -> None:
    await setup.endpoint("/hangs")
    setup.receiver.hanging.add("/hangs")
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    async with setup.worker(rules(deadline_seconds=0.3)):
        await until(lambda: db.fetch("SELECT FROM hook_endpoint WHERE failures = 1"))
    [row] = await deliveries()
    assert (row["status"], row["error"]) == ("PENDING", "No complete answer came within 5 seconds.")


async def test_an_answer_of_410_pauses_the_endpoint(setup: HookSetup) -> None:
    endpoint_id = await setup.endpoint()
    setup.receiver.answers["/"] = 410
    message_id = await one_message(setup)
    await change_status(message_id, "SUBMITTING", "SENT", "DELIVERED")
    async with setup.worker():
        await until(lambda: deliveries(status="FAILED"))
        paused = await store.find_endpoint(OfClient(setup.tenant.client_id), endpoint_id)
    assert paused.status == "PAUSED"
    assert paused.pause_reason == "The endpoint answered 410 (Gone)."
    assert len(setup.receiver.at("/")) == 1
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    assert len(await deliveries()) == 2


async def test_two_workers_never_break_the_order_of_a_message(setup: HookSetup) -> None:
    await setup.endpoint()
    messages = [await one_message(setup) for _ in range(12)]
    for each in messages:
        await change_status(each, "SUBMITTING", "UNKNOWN", "SENT", "DELIVERED")
    failing = iter([True, False, False] * 20)
    setup.receiver.answers["/"] = lambda _: 500 if next(failing, False) else 200
    async with setup.worker(), setup.worker():
        await until(lambda: _count_delivered(36))
    for each in messages:
        seen: list[str] = []
        for received in setup.receiver.at("/"):
            about = received.event["data"]
            if about["id"] == ids.encode(Kind.MESSAGE, each) and about["status"] not in seen[-1:]:
                seen.append(about["status"])
        assert seen == ["UNKNOWN", "SENT", "DELIVERED"]


async def test_an_endpoint_that_fails_gets_one_request_at_a_time_and_recovers(
    setup: HookSetup,
) -> None:
    await setup.endpoint()
    for _ in range(15):
        await change_status(await one_message(setup), "SUBMITTING", "SENT")
    at_once: list[int] = []
    setup.receiver.answers["/"] = 500
    async with setup.worker(rules(endpoint_longest_seconds=0.3)):
        await setup.receiver.wait_for("/", 8)
        [row] = await db.fetch("SELECT failures, failing_since, retry_at FROM hook_endpoint")
        assert row["failures"] >= 3
        assert row["retry_at"] is not None
        # Not one for each delivery: the others wait for the endpoint.
        at_once.append(len([each for each in await deliveries() if each["attempts"]]))
        setup.receiver.answers["/"] = 200
        await until(lambda: _count_delivered(15))
        await until(_has_recovered)
    assert at_once[0] < 8


async def test_when_an_endpoint_answers_again_everything_that_waits_is_posted(
    setup: HookSetup,
) -> None:
    await setup.endpoint()
    waiting, new = await one_message(setup), await one_message(setup)
    await change_status(waiting, "SUBMITTING", "SENT", "DELIVERED")
    await _have_failed_for_hours()
    await change_status(new, "SUBMITTING", "SENT")
    async with setup.worker():
        received = await setup.receiver.wait_for("/", 3)
        await until(lambda: _count_delivered(3))
    statuses = [each.event["data"]["status"] for each in received]
    assert statuses == ["SENT", "SENT", "DELIVERED"]


@pytest.mark.parametrize("by_hand", ["test", "resume", "redeliver"])
async def test_an_endpoint_that_waits_is_called_when_its_owner_asks(
    setup: HookSetup, by_hand: str
) -> None:
    endpoint_id = await setup.endpoint()
    owner, hooks = setup.tenant.actor, setup.hooks
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    await db.execute("UPDATE hook_delivery SET status = 'FAILED'")
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    await _have_failed_for_hours()
    await db.execute("UPDATE hook_endpoint SET retry_at = now() + interval '10 min'")
    match by_hand:
        case "test":
            await hooks.test(owner, endpoint_id)
        case "resume":
            await hooks.update(owner, endpoint_id, EndpointChange(paused=False))
        case "redeliver":
            [failed] = await deliveries(status="FAILED")
            await hooks.redeliver(owner, failed["id"])
    async with setup.worker():
        await until(lambda: _count_delivered(1 if by_hand == "resume" else 2))


async def test_an_endpoint_that_asks_for_time_is_not_called_until_then(setup: HookSetup) -> None:
    await setup.endpoint()
    busy = web.Response(status=429, headers={"Retry-After": "60"})
    setup.receiver.answers["/"] = lambda _: busy
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    async with setup.worker():
        await until(lambda: db.fetch("SELECT FROM hook_endpoint WHERE failures = 1"))
    [row] = await db.fetch("SELECT retry_at > now() + interval '55 s' AS waits FROM hook_endpoint")
    assert row["waits"]


async def test_an_endpoint_that_fails_for_three_days_is_paused(setup: HookSetup) -> None:
    endpoint_id = await setup.endpoint()
    setup.receiver.answers["/"] = 500
    await db.execute(
        "UPDATE hook_endpoint SET failures = 9, failing_since = now() - interval '73 hours'"
    )
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    async with setup.worker():
        await until(lambda: db.fetch("SELECT FROM hook_endpoint WHERE paused_at IS NOT NULL"))
    paused = await store.find_endpoint(OfClient(setup.tenant.client_id), endpoint_id)
    assert paused.pause_reason == "No attempt has succeeded for three days."
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    assert len(await deliveries()) == 1


async def test_a_delivery_is_given_up_after_a_day(setup: HookSetup) -> None:
    await setup.endpoint()
    setup.receiver.answers["/"] = 500
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    await db.execute("UPDATE hook_delivery SET created_at = now() - interval '25 hours'")
    async with setup.worker():
        [row] = await until(lambda: deliveries(status="FAILED"))
    assert (row["attempts"], row["error"]) == (1, "The endpoint answered 500.")


async def test_an_endpoint_is_held_by_one_worker_at_a_time(setup: HookSetup) -> None:
    endpoint_id = await setup.endpoint()
    await change_status(await one_message(setup), "SUBMITTING", "SENT")
    workers = [new_id() for _ in range(6)]

    async def claim(worker: UUID) -> bool:
        claimed = await store.claim_endpoints(worker, lease_seconds=60, most=10)
        return claimed == {endpoint_id}

    async def picked(worker: UUID) -> int:
        return len(await store.pick_deliveries(worker, {endpoint_id: 5}, in_flight=[], most=5))

    got = await asyncio.gather(*(claim(each) for each in workers))
    assert got.count(True) == 1
    assert [await picked(each) for each in workers] == [int(each) for each in got]
    first, second = workers[got.index(True)], workers[got.index(False)]
    assert not await claim(second)
    await end_leases()
    assert await picked(first) == 0
    assert await claim(second)
    assert (await picked(first), await picked(second)) == (0, 1)
    await store.release_endpoints(second)
    assert await claim(first)


async def _count_delivered(count: int) -> bool:
    return len(await deliveries(status="DELIVERED")) == count


async def _cancel_and_fail(message_id: UUID) -> None:
    async with store.transaction() as tx:
        await tx.execute("UPDATE message SET status = 'CANCELLED' WHERE id = $1", message_id)
        raise ZeroDivisionError


async def _has_recovered() -> bool:
    rows = await db.fetch("SELECT failures, failing_since FROM hook_endpoint")
    return (rows[0]["failures"], rows[0]["failing_since"]) == (0, None)


async def _have_failed_for_hours() -> None:
    """The deliveries of an endpoint that did not answer: they wait for half an hour."""
    await db.execute(
        "UPDATE hook_endpoint SET failures = 12, failing_since = now() - '5 h'::interval"
    )
    await db.execute(
        "UPDATE hook_delivery SET attempts = 12, due_at = now() + interval '30 min'"
        " WHERE status = 'PENDING'"
    )
