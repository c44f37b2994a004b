"""Sweeps, late answers, refunds before and after a reading, and UNKNOWN messages."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.dispatch.recording import sweep
from domain.dispatch.rules import Observer
from domain.dispatch.settle import settle_unknown
from domain.errors import Forbidden, InvalidInput, NotFound
from domain.ids import new_id
from domain.ledger.sync import SyncRules, sync
from domain.provider import Accepted, NotSent, Outcome, Reading, Rejected, Unknown
from persistence import store
from tests import db
from tests.dispatch.parts import Scripted, answered, eventually, lease_passes, marked, submitting
from tests.locks import blocked, locked

pytestmark = pytest.mark.usefixtures("connected")

NO = Rejected("no")


class Read(Scripted):
    """A provider that reports this balance."""

    def __init__(self, balance: int) -> None:
        super().__init__()
        self.amount = balance

    async def balance(self) -> Reading:
        return Reading(str(self.amount), Decimal(self.amount))


async def read(pool: db.Pool, balance: int) -> None:
    """Reads the provider's balance, which begins a new epoch of the account."""
    account = await store.find_provider_account(pool.id)
    await sync(store, Read(balance), account, actor_id=None, rules=SyncRules())


async def whole_pool() -> int:
    """What all nodes hold together."""
    (row,) = await db.fetch("SELECT sum(held)::int8 AS held FROM account")
    return int(row["held"])


async def refunds() -> list[tuple[object, object, int]]:
    """Source, destination and amount of all refunds, in order."""
    rows = await db.fetch("SELECT * FROM transfer WHERE kind = 'REFUND' ORDER BY id")
    return [(row["source_id"], row["destination_id"], row["amount"]) for row in rows]


async def test_a_lease_that_passes_makes_a_message_unknown_and_it_stays_charged() -> None:
    client, call = await submitting()
    assert await sweep(store, Observer()) is False
    assert await db.statuses() == {"SUBMITTING": 1}
    await lease_passes(call)
    assert await db.statuses() == {"UNKNOWN": 1}
    assert await db.held(client.account_id) == 9
    (attempt,) = await db.fetch("SELECT outcome, detail FROM attempt")
    assert attempt == {"outcome": "UNKNOWN", "detail": "No answer was recorded within the lease."}


async def test_a_sweep_leaves_the_other_calls_of_the_account() -> None:
    client, first = await submitting()
    await db.accept(client)
    (second,) = await marked(client.pool)
    await lease_passes(first)
    rows = await db.fetch("SELECT id, ended_at IS NULL AS is_open FROM attempt")
    assert {row["id"]: row["is_open"] for row in rows} == {
        first.attempt_id: False,
        second.attempt_id: True,
    }
    assert await db.statuses() == {"UNKNOWN": 1, "SUBMITTING": 1}


async def test_a_sweep_leaves_a_call_whose_lease_changes_while_it_waits(connected: str) -> None:
    """The lease of a call starts again if the clock was set back."""
    client, call = await submitting()
    lease = "UPDATE attempt SET lease_until = clock_timestamp() + $1::interval WHERE id = $2"
    await db.execute(lease, timedelta(seconds=-1), call.attempt_id)
    lock = "SELECT FROM provider_account WHERE id = $1 FOR UPDATE"
    async with locked(connected, lock, client.pool.id) as elsewhere:
        sweeping = asyncio.create_task(sweep(store, Observer()))
        await blocked(sweeping)
        await elsewhere.execute(lease, timedelta(minutes=1), call.attempt_id)
    assert await sweeping is False
    assert await db.statuses() == {"SUBMITTING": 1}


@pytest.mark.parametrize(
    ("outcome", "status", "held"),
    [
        (Accepted("ref"), "SENT", 9),
        (NO, "REJECTED", 10),
        (NotSent("refused"), "REJECTED", 10),
        (Unknown("?"), "UNKNOWN", 9),
    ],
)
async def test_an_answer_after_the_sweep_decides_the_message(
    outcome: Outcome, status: str, held: int
) -> None:
    client, call = await submitting()
    await lease_passes(call)
    await answered(client.pool, call, outcome)
    await answered(client.pool, call, outcome)
    assert await db.statuses() == {status: 1}
    assert await db.held(client.account_id) == held
    await db.assert_audit_holds()


async def test_a_sweep_after_the_answer_changes_nothing() -> None:
    client, call = await submitting()
    await answered(client.pool, call, Accepted("ref"))
    await lease_passes(call)
    assert await db.statuses() == {"SENT": 1}


async def test_an_answer_of_an_attempt_that_is_not_the_present_one_changes_nothing() -> None:
    client, first = await submitting()
    await answered(client.pool, first, NotSent("as a whole", alone=True))
    (second,) = await marked(client.pool)
    assert second.messages[0].id == first.messages[0].id
    await answered(client.pool, first, NO)
    assert await db.statuses() == {"SUBMITTING": 1}
    await answered(client.pool, second, Accepted("ref"))
    assert await db.statuses() == {"SENT": 1}
    assert await db.held(client.account_id) == 9


async def test_many_refusals_of_one_send_are_one_refund_with_the_sends_rate() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool, held=10, rate_usd=Decimal("0.03"))
    await db.accept(client, 5)
    (call,) = await marked(pool)
    await answered(pool, call, NO, NO, Accepted("ref"), NO, Unknown("?"))
    (refund,) = await db.fetch("SELECT * FROM transfer WHERE kind = 'REFUND'")
    assert (refund["amount"], refund["value_usd"]) == (3, Decimal("0.09"))
    assert await db.held(client.account_id) == 8
    assert await db.statuses() == {"REJECTED": 3, "SENT": 1, "UNKNOWN": 1}
    await db.assert_audit_holds()


async def test_a_refusal_by_an_attempt_of_this_epoch_is_refunded_from_outside() -> None:
    pool = await db.add_pool(held=100)
    client = await db.add_client(pool, held=10)
    await read(pool, 110)
    await db.accept(client)
    (call,) = await marked(pool)
    await answered(pool, call, NO)
    assert await refunds() == [(None, client.account_id, 1)]
    assert await whole_pool() == 110, "as the provider says: it took nothing"


async def test_a_refusal_by_an_attempt_before_the_reading_is_refunded_by_the_pool() -> None:
    client, call = await submitting(pool_held=100)
    await lease_passes(call)
    await read(client.pool, 110)
    assert await whole_pool() == 110
    await answered(client.pool, call, NO)
    assert await refunds() == [(client.pool.account_id, client.account_id, 1)]
    assert await whole_pool() == 110, "the reading had it already"
    assert await db.held(client.account_id) == 10
    await db.assert_audit_holds()


async def test_a_message_that_a_reading_counted_as_unknown_is_never_queued_again() -> None:
    client, call = await submitting(pool_held=100)
    # The lease has passed without a sweep: the message is still SUBMITTING.
    await db.execute("UPDATE attempt SET lease_until = clock_timestamp() - interval '1 s'")
    await read(client.pool, 110)
    await answered(client.pool, call, NotSent("refused"))
    assert await db.statuses() == {"REJECTED": 1}
    assert await whole_pool() == 110
    await db.assert_audit_holds()


async def test_a_message_queued_again_before_the_reading_is_refunded_from_outside() -> None:
    client, call = await submitting(pool_held=100)
    await answered(client.pool, call, NotSent("as a whole", alone=True))
    await read(client.pool, 110)
    assert await whole_pool() == 109
    (again,) = await marked(client.pool)
    await answered(client.pool, again, NO)
    assert await refunds() == [(None, client.account_id, 1)]
    assert await whole_pool() == 110


async def test_an_owned_account_is_given_back_by_the_reading_and_not_once_more() -> None:
    school = await db.add_school(held=1_000, price=50)
    await db.accept(school, 2)
    (call,) = await marked(school.pool)
    await lease_passes(call)
    await read(school.pool, 1_000)
    assert await db.held(school.account_id) == 1_000
    await answered(school.pool, call, NO, Accepted("ref"))
    assert await refunds() == []
    assert await db.held(school.account_id) == 1_000
    rows = await db.fetch("SELECT status, in_reading FROM message ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("REJECTED", True), ("SENT", False)]
    await db.assert_audit_holds()


async def test_an_owned_account_is_refunded_for_an_attempt_of_this_epoch() -> None:
    school = await db.add_school(held=1_000, price=50)
    await db.accept(school)
    (call,) = await marked(school.pool)
    await answered(school.pool, call, NO)
    assert await db.held(school.account_id) == 1_000
    await db.assert_audit_holds()


@pytest.mark.parametrize(("taken", "status", "held"), [(True, "SENT", 9), (False, "REJECTED", 10)])
async def test_an_admin_settles_an_unknown_message_and_the_note_is_kept(
    taken: bool, status: str, held: int
) -> None:
    client, call = await submitting()
    await answered(client.pool, call, Unknown("?"))
    message_id = call.messages[0].id
    await settle_unknown(store, db.ADMIN, message_id, taken=taken, note=" the log says so ")
    assert await db.statuses() == {status: 1}
    assert await db.held(client.account_id) == held
    (attempt,) = await db.fetch("SELECT detail FROM attempt")
    assert str(message_id) in attempt["detail"]
    assert attempt["detail"].endswith("the log says so")
    with pytest.raises(InvalidInput, match="UNKNOWN"):
        await settle_unknown(store, db.ADMIN, message_id, taken=not taken, note="changed")
    assert await db.held(client.account_id) == held
    actors = await db.fetch("SELECT actor_id, note FROM transfer WHERE kind = 'REFUND'")
    shown_to_the_client = "The network did not take this message."
    assert actors == [{"actor_id": db.ADMIN.user_id, "note": shown_to_the_client}] * (not taken)
    await db.assert_audit_holds()


async def test_the_other_messages_of_the_call_stay_unknown() -> None:
    client, call = await submitting(3)
    await answered(client.pool, call, *[Unknown("?")] * 3)
    await settle_unknown(store, db.ADMIN, call.messages[1].id, taken=False, note="in its log")
    assert await db.statuses() == {"UNKNOWN": 2, "REJECTED": 1}
    assert await db.held(client.account_id) == 8
    await db.assert_audit_holds()


async def test_only_an_admin_settles_and_only_an_unknown_message() -> None:
    client = await db.add_client()
    await db.accept(client)
    (message,) = await db.fetch("SELECT id FROM message")
    with pytest.raises(Forbidden):
        await settle_unknown(store, client.actor, message["id"], taken=True, note="I say so")
    with pytest.raises(InvalidInput, match="UNKNOWN"):
        await settle_unknown(store, db.ADMIN, message["id"], taken=True, note="queued still")
    with pytest.raises(NotFound):
        await settle_unknown(store, db.ADMIN, new_id(), taken=True, note="no such message")
    await marked(client.pool)
    with pytest.raises(InvalidInput, match="UNKNOWN"):
        await settle_unknown(store, db.ADMIN, message["id"], taken=True, note="on its way")
    assert await db.statuses() == {"SUBMITTING": 1}


@pytest.mark.parametrize("note", ["", "  ", "x" * 1_001, "nul \x00"])
async def test_settling_needs_a_note(note: str) -> None:
    with pytest.raises(InvalidInput, match="`note` is required"):
        await settle_unknown(store, db.ADMIN, new_id(), taken=True, note=note)


async def test_many_expired_attempts_are_swept_in_parts() -> None:
    client = await db.add_client()
    await db.accept(client, 30)
    calls = await marked(client.pool, batch=3)
    assert len(calls) == 10
    await db.execute("UPDATE attempt SET lease_until = clock_timestamp() - interval '1 s'")

    async def swept() -> bool:
        return not await sweep(store, Observer(), most=4)

    await eventually(swept)
    assert await db.statuses() == {"UNKNOWN": 30}
