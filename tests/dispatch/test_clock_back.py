"""The clock of the database goes back: nothing that has a later time waits longer than before."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from domain.dispatch.clock_watch import ClockWatch
from domain.ids import new_id
from domain.loops import now_seconds
from domain.provider import NotSent
from persistence import store
from tests import db
from tests.dispatch.parts import (
    QUICK,
    Scripted,
    answered,
    dispatching,
    marked,
    statuses_become,
)

HOUR_SECONDS = 3_600

# The rows as they are after the clock went back by an hour.
SET_BACK = (
    "UPDATE message SET due_at = due_at + interval '1 h', updated_at = updated_at + interval '1 h'",
    """
    UPDATE attempt
    SET started_at = started_at + interval '1 h', lease_until = lease_until + interval '1 h'
    """,
    """
    UPDATE provider_account
    SET paused_at = paused_at + interval '1 h', probe_at = probe_at + interval '1 h',
        reading_until = reading_until + interval '1 h'
    """,
    "UPDATE provider_pace SET next_at = next_at + interval '1 h'",
    "UPDATE webhook_event SET due_at = due_at + interval '1 h'",
    "UPDATE status_poll SET claimed_until = claimed_until + interval '1 h'",
)
SECONDS_LEFT = "SELECT extract(epoch FROM {} - clock_timestamp())::float8 AS seconds FROM {}"


async def set_back() -> None:
    """Makes the rows as they are after the clock went back by an hour."""
    for statement in SET_BACK:
        await db.execute(statement)


async def correct(*, most: int = 1_000) -> bool:
    """True if there may be more."""
    return await store.correct_future_dates(slack_seconds=2.0, reading_seconds=120.0, most=most)


async def seconds_left(date: str, table: str) -> float:
    """Seconds until the date of the only row."""
    (row,) = await db.fetch(SECONDS_LEFT.format(date, table))
    return float(row["seconds"])


@pytest.mark.usefixtures("connected")
async def test_messages_accepted_before_are_submitted_at_once() -> None:
    pool = await db.add_pool()
    await db.accept(await db.add_client(pool), 3)
    await set_back()
    provider = Scripted()
    async with dispatching(provider):
        await statuses_become({"SENT": 3})
    assert len(provider.seen) == 3


NO_PARTS = "UPDATE message SET in_part = NULL"
"""A part of a bulk leaves whatever its time is: see test_queued_parts."""


@pytest.mark.usefixtures("connected")
async def test_a_clock_that_goes_back_while_dispatchers_work_is_noticed() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    clock = MovedClock()
    watch = ClockWatch(clock, writing_seconds=0)
    await watch.look()
    await db.accept(client, 3)
    await db.execute(NO_PARTS)
    await set_back()
    await watch.look()
    assert not await marked(pool)
    clock.ahead_seconds -= HOUR_SECONDS
    await watch.look()
    assert len(await marked(pool)) == 1


@dataclass
class MovedClock:
    """The real store, with a clock that a test can move."""

    ahead_seconds: float = 0.0

    async def read_clock(self) -> float:
        return now_seconds() + self.ahead_seconds

    async def correct_future_dates(
        self, *, slack_seconds: float, reading_seconds: float, most: int
    ) -> bool:
        return await store.correct_future_dates(
            slack_seconds=slack_seconds, reading_seconds=reading_seconds, most=most
        )

    async def end_stuck_sessions(self, *, slack_seconds: float, late_seconds: float) -> int:
        return 0


@dataclass
class SteadyClock:
    """A clock that a test sets. No row has a time of it."""

    moves: list[float]
    corrected: list[float] = field(default_factory=list)

    async def read_clock(self) -> float:
        return now_seconds() + self.moves[0]

    async def correct_future_dates(
        self, *, slack_seconds: float, reading_seconds: float, most: int
    ) -> bool:
        self.corrected.append(self.moves[0])
        return False

    async def end_stuck_sessions(self, *, slack_seconds: float, late_seconds: float) -> int:
        return 0


@pytest.mark.parametrize(
    ("moves", "corrected"),
    [
        ([0.0, 0.0, 0.0], [0.0]),
        ([0.0, 3_600.0, 7_200.0], [0.0]),
        ([0.0, -0.5, -1.0], [0.0]),
        ([7_200.0, 3_600.0, 3_600.0, 0.0], [7_200.0, 3_600.0, 0.0]),
    ],
    ids=["steady", "ahead", "a little back", "back, twice"],
)
async def test_times_are_corrected_only_if_the_clock_went_back(
    moves: list[float], corrected: list[float]
) -> None:
    clock = SteadyClock(list(moves))
    watch = ClockWatch(clock, writing_seconds=0)
    while clock.moves:
        await watch.look()
        clock.moves.pop(0)
    assert clock.corrected == corrected, "the first look always corrects"


async def test_a_late_commit_of_an_earlier_transaction_is_found_too() -> None:
    clock = SteadyClock([0.0])
    watch = ClockWatch(clock)
    for _ in range(3):
        await watch.look()
    assert len(clock.corrected) == 3


@pytest.mark.usefixtures("connected")
async def test_a_message_waits_no_longer_than_before_if_the_clock_goes_back() -> None:
    pool = await db.add_pool()
    await db.accept(await db.add_client(pool))
    (call,) = await marked(pool)
    await answered(pool, call, NotSent("Too many.", retry_after_seconds=300))
    before = await seconds_left("due_at", "message")
    await set_back()
    assert await correct() is False
    assert before - 60 < await seconds_left("due_at", "message") <= before + 5


@pytest.mark.usefixtures("connected")
async def test_a_call_has_its_lease_and_not_an_hour_more() -> None:
    pool = await db.add_pool()
    await db.accept(await db.add_client(pool))
    await marked(pool)
    await set_back()
    await correct()
    assert await seconds_left("lease_until", "attempt") <= QUICK.lease_seconds


@pytest.mark.usefixtures("connected")
async def test_neither_pace_nor_pause_nor_reading_lasts_an_hour_more() -> None:
    pool = await db.add_pool(rate_per_second=10)
    await db.accept(await db.add_client(pool))
    (call,) = await marked(pool)
    await answered(pool, call, NotSent("No credits.", refuses_account=True))
    await db.execute(
        "UPDATE provider_account SET reading_until = clock_timestamp() + interval '50 s'"
    )
    await set_back()
    await correct()
    assert await seconds_left("next_at", "provider_pace") <= 1
    assert await seconds_left("probe_at", "provider_account") <= QUICK.probe_first_seconds
    assert await seconds_left("reading_until", "provider_account") <= 0


@pytest.mark.usefixtures("connected")
async def test_a_reading_that_is_under_way_continues() -> None:
    await db.add_pool()
    await db.execute(
        "UPDATE provider_account SET reading_until = clock_timestamp() + interval '50 s'"
    )
    await correct()
    assert await seconds_left("reading_until", "provider_account") > 10


@pytest.mark.usefixtures("connected")
async def test_many_times_are_corrected_in_steps() -> None:
    pool = await db.add_pool()
    await db.accept(await db.add_client(pool), 5)
    await db.execute(NO_PARTS)
    await set_back()
    assert await correct(most=3) is True
    assert await correct(most=3) is False
    (call,) = await marked(pool)
    assert len(call.messages) == 5


HELD_AND_WAITING = """
INSERT INTO hook_endpoint (id, client_id, url, events, secret, lease_holder, lease_until, retry_at)
VALUES ($1, $2, 'https://example.com', '{message.updated}', '', $1,
        clock_timestamp() + interval '1 h', clock_timestamp() + interval '1 h')
"""
TO_BE_POSTED = """
INSERT INTO hook_delivery (id, position, endpoint_id, client_id, event_id, type, subject,
                           created_at, attempted_at, due_at)
SELECT gen_random_uuid(), place, $1, $2, $1, 'message.updated', $1, now, attempted_at, due_at
FROM (SELECT clock_timestamp() + interval '1 h' AS now) AS wrong CROSS JOIN LATERAL (VALUES
    (1, NULL, now), (2, now, now + interval '5 min')) AS new (place, attempted_at, due_at)
"""


@pytest.mark.usefixtures("connected")
async def test_webhooks_of_clients_do_not_wait_until_the_clock_has_caught_up() -> None:
    client = await db.add_client()
    endpoint_id = new_id()
    await db.execute(HELD_AND_WAITING, endpoint_id, client.client_id)
    await db.execute(TO_BE_POSTED, endpoint_id, client.client_id)
    worker = new_id()
    assert not await store.claim_endpoints(worker, lease_seconds=15, most=1_000)
    await correct()
    assert await store.claim_endpoints(worker, lease_seconds=15, most=1_000) == {endpoint_id}
    due = await store.pick_deliveries(worker, {endpoint_id: 9}, in_flight=[], most=9)
    assert len(due) == 1
    await db.execute("DELETE FROM hook_delivery WHERE position = 1")
    assert 240 < await seconds_left("due_at", "hook_delivery") <= 300
    await db.execute("TRUNCATE hook_endpoint, hook_delivery")


@pytest.mark.usefixtures("connected")
async def test_a_worker_keeps_its_endpoint_and_a_failing_one_its_wait() -> None:
    client = await db.add_client()
    await db.execute(HELD_AND_WAITING, new_id(), client.client_id)
    await db.execute(
        "UPDATE hook_endpoint SET lease_until = now() + interval '15 s',"
        " retry_at = now() + interval '10 min'"
    )
    await correct()
    assert await seconds_left("lease_until", "hook_endpoint") > 5
    assert await seconds_left("retry_at", "hook_endpoint") > 500
    await db.execute("TRUNCATE hook_endpoint")


WRITTEN_AHEAD = (
    """
    INSERT INTO send_job (send_id, client_id, provider_account_id, upload_id, price, unwritten,
                          claimed_by, seen_at, claimed_until, plan, accepted_rows)
    SELECT id, id, id, id, 1, 5, id, now() + interval '1 h', now() + interval '1 h 15 s', '{}', ''
    FROM gen_random_uuid() AS id
    """,
    """
    INSERT INTO reconciliation (id, dry_run, unknown_before, unknown_left, heartbeat_at)
    VALUES (gen_random_uuid(), false, 0, 0, now() + interval '1 h')
    """,
    """
    INSERT INTO ledger_audit (id, rows_expected, checked_at)
    VALUES (gen_random_uuid(), 0, now() + interval '1 h')
    """,
    "UPDATE scheduled_run SET started_at = now() + interval '1 h' WHERE name = 'retention'",
    """
    INSERT INTO unfinished_cancel (send_id, actor_id, seen_at)
    VALUES (gen_random_uuid(), gen_random_uuid(), now() + interval '1 h')
    """,
)


@pytest.mark.usefixtures("connected")
async def test_jobs_and_runs_of_processes_that_were_killed_are_not_held_for_an_hour() -> None:
    for statement in WRITTEN_AHEAD:
        await db.execute(statement)
    await correct()
    assert 5 < await seconds_left("claimed_until", "send_job") <= 15
    assert await seconds_left("heartbeat_at", "reconciliation") <= 0
    assert await seconds_left("checked_at", "ledger_audit") <= 0
    assert await seconds_left("max(started_at)", "scheduled_run") <= 0
    assert await seconds_left("seen_at", "unfinished_cancel") <= 0


CORRECTED = """
message.due_at message.updated_at attempt.started_at attempt.lease_until webhook_event.due_at
provider_pace.next_at status_poll.claimed_until provider_account.paused_at provider_account.probe_at
provider_account.reading_until hook_delivery.due_at hook_delivery.created_at
hook_delivery.attempted_at hook_endpoint.lease_until hook_endpoint.retry_at send_job.seen_at
send_job.claimed_until reconciliation.heartbeat_at ledger_audit.checked_at scheduled_run.started_at
unfinished_cancel.seen_at
"""
NOT_WAITED_FOR = """
access_change.created_at account.created_at api_key.created_at api_key.last_used_at
api_key.revoked_at app_user.created_at attempt.ended_at client.auth_token_from client.created_at
client_group.created_at contact.created_at conversation.created_at conversation.updated_at
hook_delivery.occurred_at hook_endpoint.created_at hook_endpoint.deleted_at
hook_endpoint.failing_since hook_endpoint.paused_at hook_endpoint.previous_until
hook_endpoint.succeeded_at idempotency_key.created_at imported_line.created_at
imported_line.imported_at inbound.created_at inbound.deleted_at ledger_audit.finished_at
ledger_audit.proven_until ledger_audit.started_at ledger_checkpoint.created_at
ledger_checkpoint.ends_at low_balance.ended_at low_balance.noticed_at message.created_at
message.deleted_at message.send_at modem_route.created_at modem_route.last_seen_at
opening_balance.created_at opt_out.created_at provider_account.created_at
provider_account.credentials_set_at provider_account.read_at provider_account.read_failed_at
provider_account.restored_at
provider_account.stopped_at provider_route.created_at provider_route.retired_at queued_part.due_at
reconciliation.finished_at reconciliation.since reconciliation.started_at
reconciliation_difference.created_at refresh_token.created_at refresh_token.expires_at
refresh_token.used_at send.created_at send.due_until send.expires_at send.send_at
send_job.cancelled_at session.created_at session.revoked_at status_poll.after_due_at sync.created_at
template.created_at template.updated_at tortoise_migrations.applied_at transfer.created_at
upload.created_at webhook_event.received_at webhook_event.updated_at
"""
"""They say what has happened, or were asked for by a person or by the rules of the operator."""
TIMES = """
SELECT DISTINCT table_name || '.' || column_name AS time FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
  AND table_name NOT IN (SELECT relname FROM pg_class WHERE relispartition)
"""


@pytest.mark.usefixtures("connected")
async def test_each_column_with_a_time_is_corrected_or_nothing_waits_for_the_time() -> None:
    """Add a new column to one of the two lists."""
    stored = {row["time"] for row in await db.fetch(TIMES)}
    assert stored == {*CORRECTED.split(), *NOT_WAITED_FOR.split()}
