"""The events: what causes each, and that their bodies say what the API says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context
from datetime import datetime
from typing import Any

import orjson
import pytest

from domain import ids
from domain.dispatch.cancel import cancel_send
from domain.hooks.deliveries import DueDelivery, EventType, HookRequest
from domain.identity.access import OfClient
from domain.ids import Kind
from domain.inbox.opt_out import opt_out_by_hand
from ibiki.hooks import formats
from persistence import store
from tests import db
from tests.dispatch.test_unwritten import half_written
from tests.hooks.conftest import HookSetup, change_status, deliveries, message_ids, until
from tests.inbox import post
from tests.installations import App

MESSAGE = """query ($id: ID!) { node(id: $id) { ... on Message {
    id sendId direction number answerable mentionsOptOut text encoding segments status failure
    isReply createdAt updatedAt } } }"""
SEND = """query ($id: ID!) { node(id: $id) { ... on Send {
    id kind createdAt accepted rejectedCount charged finished
    counts { queued submitting sent delivered undelivered rejected unknown cancelled } } } }"""


async def as_shown(app: App, query: str, id: str) -> dict[str, Any]:
    """The object as GraphQL shows it."""
    shown: dict[str, Any] = await app.answer("owner", query, id=id)
    return shown


async def test_events_of_a_message_and_a_send_have_the_values_of_the_api(
    app: App, setup_of_app: HookSetup
) -> None:
    setup, owner = setup_of_app, app.owner
    await setup.endpoint(tenant=owner)
    send = await db.accept(owner, text="Grüße aus Łódź")
    [message_id] = await message_ids(send.id)
    await change_status(message_id, "SUBMITTING", "SENT")
    await store.queue_finished_sends()
    async with setup.worker():
        received = await setup.receiver.wait_for("/", 2)
    events = {each.event["type"]: each.event["data"] for each in received}
    client_id = ids.encode(Kind.CLIENT, owner.client_id)
    for type_, query in (("message.updated", MESSAGE), ("send.finished", SEND)):
        shown = await as_shown(app, query, events[type_]["id"])
        assert events[type_] == {**shown, "clientId": client_id}


async def test_an_inbound_message_is_received_and_opts_out(
    app: App, setup_of_app: HookSetup
) -> None:
    setup, owner = setup_of_app, app.owner
    await setup.endpoint(tenant=owner)
    send = await db.accept(owner, numbers=[post.PHONE])
    await change_status((await message_ids(send.id))[0], "SUBMITTING", "SENT")
    await db.execute(
        "INSERT INTO sent_to SELECT number, client_id, id FROM message ON CONFLICT DO NOTHING"
    )
    await post.received(post.inbound("STOP"))
    await post.received(post.inbound("START"))
    async with setup.worker():
        received = await setup.receiver.wait_for("/", 5)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for each in received:
        by_type.setdefault(each.event["type"], []).append(each.event["data"])
    first = by_type["message.received"][0]
    shown = await as_shown(app, MESSAGE, first["id"])
    assert first == {**shown, "clientId": ids.encode(Kind.CLIENT, owner.client_id)}
    assert [each["optedOut"] for each in by_type["optout.changed"]] == [True, False]
    assert {each["number"] for each in by_type["optout.changed"]} == {post.PHONE}


async def test_one_statement_reports_each_message_whose_status_it_changes(setup: HookSetup) -> None:
    await setup.endpoint()
    other = await db.add_client(setup.tenant.pool)
    own, others = await db.accept(setup.tenant, 4), await db.accept(other, 2)
    sent, *rest = await message_ids(own.id)
    await change_status(sent, "SUBMITTING", "SENT")
    await db.execute(
        """
        UPDATE message SET updated_at = clock_timestamp(), verdicts = 1,
            failure = CASE WHEN id = $3 THEN 'no route' END,
            status = CASE id WHEN $2 THEN 'QUEUED' WHEN $3 THEN 'UNDELIVERED' ELSE 'SENT' END,
            attempts = 1, attempt_id = coalesce(attempt_id, id)
        WHERE send_id = ANY($1)
        """,
        [own.id, others.id],
        rest[0],
        rest[1],
    )
    written = [
        (row["subject"], row["client_id"], facts["status"], facts["failure"])
        for row in await deliveries()
        if (facts := orjson.loads(row["facts"]))
    ]
    client_id = setup.tenant.client_id
    assert written[0] == (sent, client_id, "SENT", None)
    assert sorted(written[1:]) == sorted(
        [(rest[1], client_id, "UNDELIVERED", "no route"), (rest[2], client_id, "SENT", None)]
    )
    for row in await deliveries(subject=rest[2]):
        changed = await db.fetch("SELECT updated_at FROM message WHERE id = $1", rest[2])
        at = orjson.loads(row["facts"])["updated_at"]
        assert datetime.fromisoformat(at) == changed[0]["updated_at"]


async def test_a_low_balance_is_reported_once(setup: HookSetup) -> None:
    await setup.endpoint(events=[EventType.BALANCE_LOW])
    await db.execute(
        "UPDATE client SET low_balance_threshold = 2000 WHERE id = $1", setup.tenant.client_id
    )
    await store.notice_low_balances()
    await store.notice_low_balances()
    async with setup.worker():
        [received] = await setup.receiver.wait_for("/", 1)
    assert received.event["data"] == {
        "clientId": ids.encode(Kind.CLIENT, setup.tenant.client_id),
        "balance": 1_000,
        "threshold": 2_000,
    }
    await db.execute("UPDATE client SET low_balance_threshold = NULL")


async def test_a_send_is_reported_once_and_only_when_nothing_of_it_is_in_flight(
    setup: HookSetup,
) -> None:
    await setup.endpoint(events=[EventType.SEND_FINISHED])
    send = await db.accept(setup.tenant, 2)
    first, second = await message_ids(send.id)
    await change_status(first, "SUBMITTING", "SENT")
    await change_status(second, "SUBMITTING")
    await store.queue_finished_sends()
    assert await deliveries() == []
    await change_status(second, "UNKNOWN")
    await store.queue_finished_sends()
    assert [row["subject"] for row in await deliveries()] == [send.id]
    await change_status(second, "SENT", "DELIVERED")
    await store.queue_finished_sends()
    assert len(await deliveries()) == 1


async def test_a_job_is_finished_when_its_last_messages_are_cancelled_before_they_are_written(
    setup: HookSetup,
) -> None:
    await setup.endpoint(events=[EventType.SEND_FINISHED])
    send_id = await half_written(setup.tenant)
    for each in await message_ids(send_id):
        await change_status(each, "SUBMITTING", "SENT")
    await store.queue_finished_sends()
    assert await deliveries() == []
    await cancel_send(store, setup.tenant.actor, send_id)
    await store.queue_finished_sends()
    await store.queue_finished_sends()
    assert [row["subject"] for row in await deliveries()] == [send_id]


async def test_a_send_that_is_finished_in_a_transaction_that_commits_late_is_reported(
    setup: HookSetup,
) -> None:
    await setup.endpoint(events=[EventType.SEND_FINISHED])
    send = await db.accept(setup.tenant)
    [message_id] = await message_ids(send.id)
    async with store.transaction() as late:
        # SENT: a cancelled message without its refund would stay in the shared database.
        await late.execute(
            "UPDATE message SET status = 'SENT', attempts = 1, attempt_id = id, updated_at = now()"
            " WHERE id = $1",
            message_id,
        )
        # In a separate task: this one is in the transaction.
        await asyncio.create_task(store.queue_finished_sends(), context=Context())
    await store.queue_finished_sends()
    assert len(await deliveries()) == 1


async def test_a_send_that_finished_before_the_endpoint_existed_is_not_reported(
    setup: HookSetup,
) -> None:
    send = await db.accept(setup.tenant)
    [message_id] = await message_ids(send.id)
    await change_status(message_id, "SUBMITTING", "SENT")
    await setup.endpoint(events=[EventType.SEND_FINISHED])
    await store.queue_finished_sends()
    assert await deliveries() == []


async def test_without_endpoints_nothing_is_written(setup: HookSetup) -> None:
    where = "SELECT xmin::text, changed_xid FROM hook_position"
    await db.execute("UPDATE hook_position SET changed_xid = pg_current_xact_id()::text::int8")
    before = await db.fetch(where)
    for _ in range(3):
        await change_status((await message_ids((await db.accept(setup.tenant)).id))[0], "SENT")
        await store.queue_finished_sends()
    assert await db.fetch(where) == before
    await db.execute("UPDATE hook_position SET changed_xid = changed_xid - 20000")
    await store.queue_finished_sends()
    [after] = await db.fetch(where)
    assert after["changed_xid"] > before[0]["changed_xid"] - 20_000


async def test_an_import_of_opt_outs_is_reported_number_by_number(setup: HookSetup) -> None:
    await setup.endpoint(events=[EventType.OPTOUT_CHANGED])
    numbers = db.generated_numbers(3)
    async with store.transaction() as tx:
        await opt_out_by_hand(store, tx, setup.tenant.client_id, numbers)
    rows = await deliveries()
    assert sorted(orjson.loads(row["facts"])["number"] for row in rows) == sorted(numbers)


class FormFormat:
    """A form, as callbacks of SDKs are."""

    async def request(
        self, delivery: DueDelivery, subject: Any, secrets: Sequence[str]
    ) -> HookRequest:
        """The status of the message."""
        return HookRequest(
            {"Content-Type": "application/x-www-form-urlencoded"},
            f"MessageStatus={subject.status.value}".encode(),
        )


async def test_a_message_has_its_own_callback(
    setup: HookSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    await setup.endpoint("/endpoint")
    send = await db.accept(setup.tenant, 2)
    called, other = await message_ids(send.id)
    async with store.transaction() as tx:
        await store.enqueue_callback(
            tx, setup.tenant.client_id, [called], setup.receiver.url + "/call?a=b", format="form"
        )
        await store.queue_callback_events(tx, [called, other])
    for each in (called, other):
        await change_status(each, "SUBMITTING", "SENT", "DELIVERED")
    setup.receiver.answers["/call"] = lambda _: 500 if len(setup.receiver.at("/call")) < 3 else 200
    known = {**formats(), "form": FormFormat()}
    async with setup.worker(formats=known):
        await setup.receiver.wait_for("/endpoint", 4)
        await until(lambda: _delivered(7))
    bodies = [each.body for each in setup.receiver.at("/call")]
    wanted = [b"MessageStatus=" + each for each in (b"QUEUED", b"SENT", b"DELIVERED")]
    assert list(dict.fromkeys(bodies)) == wanted
    listed = await store.list_endpoints(OfClient(setup.tenant.client_id))
    assert [each.url for each in listed] == [setup.receiver.url + "/endpoint"]


async def test_old_deliveries_are_given_up_and_purged(setup: HookSetup) -> None:
    endpoint_id = await setup.endpoint()
    old, waiting = [(await message_ids((await db.accept(setup.tenant)).id))[0] for _ in range(2)]
    await change_status(old, "SUBMITTING", "SENT")
    await db.execute("UPDATE hook_delivery SET due_at = now() - interval '25 hours'")
    await change_status(waiting, "SUBMITTING", "SENT")
    day, week = 24 * 3600, 7 * 24 * 3600
    assert await store.fail_overdue_deliveries(age_seconds=day, most=10) == 1
    statuses = {row["subject"]: row["status"] for row in await deliveries()}
    assert statuses == {old: "FAILED", waiting: "PENDING"}
    await db.execute("UPDATE hook_delivery SET created_at = now() - interval '8 days'")
    assert await store.purge_deliveries(age_seconds=week, most=10) == 1
    assert [row["subject"] for row in await deliveries()] == [waiting]
    await setup.hooks.delete(setup.tenant.actor, endpoint_id)
    await db.execute(
        "UPDATE hook_delivery SET status = 'FAILED'; "
        "UPDATE hook_endpoint SET deleted_at = now() - interval '8 days'"
    )
    await store.purge_deliveries(age_seconds=week, most=10)
    await store.purge_deliveries(age_seconds=week, most=10)
    assert await db.fetch("SELECT FROM hook_endpoint") == []


async def _delivered(count: int) -> bool:
    return len(await deliveries(status="DELIVERED")) == count
