"""Messages that waited until quiet hours began are held by the claim, and stay charged.

Quiet hours are the three hours before and after this moment, in New York. A test ends them by
giving the send later ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from domain.dispatch.recording import give_up_overdue
from domain.identity.quiet_hours import QuietHours
from domain.provider import Accepted, NotSent
from domain.sending.accept import AcceptedNow, accept_alone, accept_batch
from domain.sending.messages import NewSend
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, Scripted, answered, dispatching, eventually, marked

pytestmark = pytest.mark.usefixtures("connected")

NEW_YORK, ALSO_NEW_YORK, KAMPALA = "+12025550123", "+12025550124", "+256701234567"
HOUR = timedelta(hours=1)
ZONE = "America/New_York"


def hours(first: int, last: int) -> QuietHours:
    """Quiet hours from `first` to `last` hours after this moment."""
    begin, end = (
        # Hours that pass: there is one more or less on a day when the clock changes.
        (datetime.now(UTC) + each * HOUR).astimezone(ZoneInfo(ZONE))
        for each in (first, last)
    )
    return QuietHours(f"{begin:%H:%M}", f"{end:%H:%M}", ZONE)


QUIET, LATER = hours(-3, 3), hours(5, 9)


@pytest.fixture
async def tenant() -> db.Tenant:
    return await db.add_client(held=1_000)


async def accepted(
    tenant: db.Tenant, numbers: Sequence[str], quiet: QuietHours | None = QUIET
) -> NewSend:
    """A send that was accepted before quiet hours began."""
    send = replace(db.new_send(tenant, numbers=numbers), quiet_hours=quiet)
    [result] = await accept_batch(store, [send])
    assert isinstance(result, AcceptedNow), result
    return send


async def sent_now(tenant: db.Tenant) -> set[str]:
    """Marks what is due, and records that it was accepted. Returns the numbers."""
    calls = await marked(tenant.pool)
    for call in calls:
        await answered(tenant.pool, call, Accepted("ref"))
    return {message.number for call in calls for message in call.messages}


async def quiet_hours_end() -> None:
    """Makes the messages four hours older, and moves quiet hours to later."""
    await db.execute(
        "UPDATE message SET due_at = due_at - $1::interval, send_at = send_at - $1::interval,"
        " created_at = created_at - $1::interval, updated_at = updated_at - $1::interval",
        4 * HOUR,
    )
    await db.execute("UPDATE send SET quiet_hours = $1", orjson.dumps(LATER).decode())


async def rows() -> list[dict[str, Any]]:
    """The messages by number."""
    return await db.fetch(
        "SELECT status, priority, send_at, due_at, attempts FROM message ORDER BY number"
    )


async def test_messages_are_held_where_it_has_become_quiet_and_leave_later(
    tenant: db.Tenant,
) -> None:
    await accepted(tenant, [NEW_YORK, ALSO_NEW_YORK, KAMPALA])
    assert await sent_now(tenant) == {KAMPALA}
    first, second, _ = await rows()
    assert first == second
    assert (first["status"], first["priority"], first["attempts"]) == ("QUEUED", 12, 0)
    assert first["send_at"] == first["due_at"]
    assert f"{first['due_at'].astimezone(ZoneInfo(ZONE)):%H:%M}" == QUIET.end
    assert await db.held(tenant.account_id) == 997
    assert (await store.read_backlog()).scheduled == 2
    assert await sent_now(tenant) == set()
    await quiet_hours_end()
    assert await sent_now(tenant) == {NEW_YORK, ALSO_NEW_YORK}
    assert await db.held(tenant.account_id) == 997
    await db.assert_audit_holds()


async def test_a_retry_waits_as_well_and_is_given_up_by_its_whole_age(
    tenant: db.Tenant,
) -> None:
    """Otherwise a message that fails by day and is held by night would wait for ever."""
    await accepted(tenant, [NEW_YORK], LATER)
    [call] = await marked(tenant.pool)
    await answered(tenant.pool, call, NotSent("Try later."))
    await db.execute("UPDATE send SET quiet_hours = $1", orjson.dumps(QUIET).decode())
    await db.execute("UPDATE message SET due_at = clock_timestamp()")
    assert await sent_now(tenant) == set()
    [row] = await rows()
    assert (row["status"], row["priority"], row["send_at"]) == ("QUEUED", 11, None)
    assert row["due_at"] > datetime.now(UTC) + 2 * HOUR
    await give_up_overdue(store, tenant.pool.id, rules=replace(QUICK, give_up_seconds=1))
    assert await db.statuses() == {"QUEUED": 1}
    await quiet_hours_end()
    await store.release_scheduled(most=10)
    await give_up_overdue(store, tenant.pool.id, rules=replace(QUICK, give_up_seconds=1))
    assert await db.statuses() == {"REJECTED": 1}
    assert await db.held(tenant.account_id) == 1_000
    await db.assert_audit_holds()


async def test_messages_without_quiet_hours_leave_beside_those_that_are_held(
    tenant: db.Tenant,
) -> None:
    await accepted(tenant, [NEW_YORK, KAMPALA])
    await accepted(tenant, [ALSO_NEW_YORK, "+12025550125"], None)
    assert await sent_now(tenant) == {KAMPALA, ALSO_NEW_YORK, "+12025550125"}


async def test_a_large_send_keeps_its_quiet_hours_too(tenant: db.Tenant) -> None:
    """It is written by COPY."""
    send = replace(db.new_send(tenant, 600), quiet_hours=QUIET)
    assert isinstance(await accept_alone(store, send), AcceptedNow)
    [row] = await db.fetch("SELECT quiet_hours FROM send")
    assert QuietHours(**orjson.loads(row["quiet_hours"])) == QUIET


async def test_held_messages_are_cancelled_expired_and_refunded_as_others(
    tenant: db.Tenant,
) -> None:
    send = await accepted(tenant, [NEW_YORK, ALSO_NEW_YORK])
    await sent_now(tenant)
    async with store.transaction() as tx:
        await store.lock_provider_account(tx, tenant.pool.id)
        assert (await store.cancel_queued(tx, send.id, most=10))[0] == 2
    assert await db.statuses() == {"CANCELLED": 2}
    expired = await accepted(tenant, [NEW_YORK])
    await db.execute("UPDATE send SET expires_at = clock_timestamp() WHERE id = $1", expired.id)
    assert await sent_now(tenant) == set()
    assert await db.statuses(expired.id) == {"REJECTED": 1}


async def test_messages_behind_many_that_are_held_do_not_wait_for_the_next_poll(
    tenant: db.Tenant,
) -> None:
    numbers = [f"+1202555{each:04}" for each in range(100, 400)]
    await accepted(tenant, numbers)
    await accepted(tenant, [KAMPALA, "+256701234568"])
    provider = Scripted()

    async def all_sent() -> bool:
        return len(provider.seen) == 2

    async with dispatching(provider, rules=replace(QUICK, poll_seconds=3_600)):
        await eventually(all_sent)
    assert await db.statuses() == {"QUEUED": 300, "SENT": 2}
