"""Scheduled messages: due at their time by the database's clock, sent once, and not overdue before.

The clock of the database cannot be moved for one test. So the times in the rows are moved: if all
of them are an hour earlier, the clock has gone forward by an hour.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.dispatch.fairness import BULK, NO_TENANT, REPLIES, SINGLES
from domain.dispatch.messages import BEGINNING, EVER_SECONDS
from domain.dispatch.recording import give_up_overdue
from domain.dispatch.rules import DispatchRules
from domain.ids import new_id
from domain.provider import Accepted, NotSent
from domain.sending.accept import accept_batch
from domain.sending.messages import NewSend
from persistence import store
from persistence.dispatch.queue import PICK, TENANTS_WAITING
from tests import db
from tests.dispatch.parts import QUICK, answered, marked

pytestmark = pytest.mark.usefixtures("connected_to_new")

HOUR = timedelta(hours=1)
MOVE = """
UPDATE message SET due_at = due_at - $1::interval, send_at = send_at - $1::interval,
    created_at = created_at - $1::interval, updated_at = updated_at - $1::interval
"""


@pytest.fixture
async def tenant() -> db.Tenant:
    return await db.add_client(held=100)


async def scheduled(tenant: db.Tenant, later: timedelta, count: int = 1) -> NewSend:
    """An accepted send that is due this much later."""
    return await db.accept(tenant, count, send_at=datetime.now(UTC) + later)


async def clock_moves(by: timedelta) -> None:
    """The clock of the database goes forward, or back if `by` is negative."""
    await db.execute(MOVE, by)


async def corrected() -> None:
    """The clock watch has noticed that the clock went back."""
    await store.correct_future_dates(slack_seconds=2.0, reading_seconds=120.0, most=100)


async def sent_now(tenant: db.Tenant) -> int:
    """Marks what is due, and records that it was accepted. Returns the number of messages."""
    calls = await marked(tenant.pool)
    for call in calls:
        await answered(tenant.pool, call, Accepted("ref"))
    return sum(len(call.messages) for call in calls)


async def test_a_message_is_sent_at_its_time_and_not_before(tenant: db.Tenant) -> None:
    await scheduled(tenant, HOUR, 3)
    await db.accept(tenant)
    assert await db.held(tenant.account_id) == 96
    assert await sent_now(tenant) == 1
    await clock_moves(HOUR - timedelta(minutes=1))
    assert await sent_now(tenant) == 0
    await clock_moves(timedelta(minutes=2))
    assert await sent_now(tenant) == 3


async def test_a_large_send_is_scheduled_as_well(tenant: db.Tenant) -> None:
    await db.open_with(tenant.account_id, 600)
    await scheduled(tenant, HOUR, 600)
    assert await sent_now(tenant) == 0
    [row] = await db.fetch(
        "SELECT min(due_at) AS first, max(due_at) AS last, max(send_at) AS send_at FROM message"
    )
    assert row["first"] == row["last"] == row["send_at"]


@pytest.mark.parametrize(
    "jumps", [[2, -2], [-3, 3], [-1, 2, -1, 1], [5, -10, 10]], ids=lambda jumps: str(jumps)
)
async def test_a_clock_that_jumps_sends_every_message_once(
    tenant: db.Tenant, jumps: list[int]
) -> None:
    for hours in range(4):
        await scheduled(tenant, hours * HOUR)
    sent = await sent_now(tenant)
    for hours in jumps:
        await clock_moves(hours * HOUR)
        await corrected()
        sent += await sent_now(tenant)
    for _ in range(10):
        await clock_moves(HOUR)
        sent += await sent_now(tenant)
    assert sent == 4
    assert await db.statuses() == {"SENT": 4}
    assert len(await db.fetch("SELECT FROM attempt")) == 4


async def test_a_clock_that_goes_back_makes_no_message_due_before_its_time(
    tenant: db.Tenant,
) -> None:
    """It was accepted at 13:00 for 15:00. It is 11:00 again, and it is not due at 13:00."""
    await scheduled(tenant, 2 * HOUR)
    # Only the clock goes back: the requested time does not.
    await db.execute(
        "UPDATE message SET created_at = created_at + $1::interval,"
        " updated_at = updated_at + $1::interval, due_at = due_at + $1::interval,"
        " send_at = send_at + $1::interval",
        2 * HOUR,
    )
    [before] = await db.fetch("SELECT due_at, send_at FROM message")
    await corrected()
    assert await db.fetch("SELECT due_at, send_at FROM message") == [before]


async def test_a_retry_waits_no_longer_after_the_clock_went_back(tenant: db.Tenant) -> None:
    await scheduled(tenant, HOUR)
    await clock_moves(HOUR + timedelta(seconds=1))
    [call] = await marked(tenant.pool)
    await answered(tenant.pool, call, NotSent("Too many.", retry_after_seconds=60))
    await db.execute(
        "UPDATE message SET due_at = due_at + $1::interval, updated_at = updated_at + $1::interval",
        HOUR,
    )
    await corrected()
    [row] = await db.fetch("SELECT due_at - clock_timestamp() AS wait FROM message")
    assert row["wait"] <= timedelta(seconds=65)


async def test_the_age_of_a_message_counts_from_its_time(tenant: db.Tenant) -> None:
    await scheduled(tenant, timedelta(days=3))
    await clock_moves(timedelta(days=3, seconds=1))
    [call] = await marked(tenant.pool)
    await answered(tenant.pool, call, NotSent("Try later."))
    assert await db.statuses() == {"QUEUED": 1}
    await clock_moves(timedelta(minutes=1))
    await give_up_overdue(store, tenant.pool.id, rules=QUICK)
    assert await db.statuses() == {"QUEUED": 1}
    await give_up_overdue(store, tenant.pool.id, rules=DispatchRules(give_up_seconds=1))
    assert await db.statuses() == {"REJECTED": 1}
    assert await db.held(tenant.account_id) == 100


async def test_scheduled_messages_do_not_count_as_waiting(tenant: db.Tenant) -> None:
    await scheduled(tenant, 2 * HOUR, 5)
    await clock_moves(HOUR)
    found = await store.read_backlog()
    assert (found.queued, found.oldest_seconds, found.scheduled) == (0, 0, 5)
    await clock_moves(HOUR + timedelta(minutes=1))
    found = await store.read_backlog()
    assert (found.queued, found.scheduled) == (5, 0)
    assert 50 <= found.oldest_seconds <= 90


async def test_a_number_that_opted_out_meanwhile_is_cancelled_and_refunded(
    tenant: db.Tenant,
) -> None:
    """Opting out cancels queued messages. This row was written by something else."""
    send = await scheduled(tenant, HOUR, 3)
    await db.opt_out(tenant.client_id, send.numbers[1])
    await clock_moves(2 * HOUR)
    calls = await marked(tenant.pool)
    assert [each.number for call in calls for each in call.messages] == [
        send.numbers[0],
        send.numbers[2],
    ]
    assert await db.statuses() == {"SUBMITTING": 2, "CANCELLED": 1}
    assert await db.held(tenant.account_id) == 98
    await db.assert_audit_holds()


async def test_a_claim_passes_the_later_messages_of_many_clients(tenant: db.Tenant) -> None:
    for _ in range(3):
        await accept_batch(
            store,
            [
                db.new_send(replace_client(tenant), send_at=datetime.now(UTC) + HOUR)
                for _ in range(30)
            ],
        )
    await db.accept(tenant)
    await db.execute("ANALYZE message")
    reads = [
        (TENANTS_WAITING, [[REPLIES, SINGLES, BULK], [NO_TENANT] * 3, 16, EVER_SECONDS]),
        (PICK, [[SINGLES], [tenant.client_id], [10], [BEGINNING.due_at], [NO_TENANT]]),
    ]
    for statement, arguments in reads:
        explained = f"EXPLAIN (ANALYZE, BUFFERS OFF, FORMAT JSON) {statement}"
        [row] = await db.fetch(explained, tenant.pool.id, *arguments)
        loops = re.findall(r'"Actual Loops": (\d+)', row["QUERY PLAN"])
        found = re.findall(r'"Actual Rows": ([0-9.]+)', row["QUERY PLAN"])
        work = sum(float(rows) * int(loop) for rows, loop in zip(found, loops, strict=True))
        assert work < 60, row["QUERY PLAN"]


def replace_client(tenant: db.Tenant) -> db.Tenant:
    """The same payer under another client: what matters here is the client of a message."""
    return replace(tenant, payer=replace(tenant.payer, client_id=new_id()))
