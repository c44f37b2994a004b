"""Accepted messages are recorded without being read, if nothing has to be decided about them."""

from __future__ import annotations

import pytest

from domain.dispatch.settlement import NOT_TAKEN
from domain.live import hints
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from persistence import database, store
from tests import db
from tests.dispatch.parts import answered, lease_passes, marked, submitting

pytestmark = pytest.mark.usefixtures("connected")

ROWS = "SELECT status, reference, failure, waiting_for FROM message ORDER BY id"
CHANGES = "SELECT version, changed_xid FROM message ORDER BY id"


async def test_accepted_messages_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    client, call = await submitting(3)
    monkeypatch.delattr(store, "lock_undecided")
    await answered(client.pool, call, Accepted("a"), Accepted(None), Accepted("c"))
    rows = await db.fetch(ROWS)
    assert [row["reference"] for row in rows] == ["a", None, "c"]
    sent = {"status": "SENT", "failure": None, "waiting_for": None}
    assert all(row == {**sent, "reference": row["reference"]} for row in rows)
    await db.assert_audit_holds()


async def test_a_mark_and_a_record_count_the_changes_of_a_message() -> None:
    """As the trigger does for other statements, once for each, with their transactions."""
    client = await db.add_client(held=1)
    await db.accept(client)
    seen = await db.fetch(CHANGES)
    (call,) = await marked(client.pool)
    seen += await db.fetch(CHANGES)
    await answered(client.pool, call, Accepted(None))
    seen += await db.fetch(CHANGES)
    assert [row["version"] for row in seen] == [0, 1, 2]
    transactions = [row["changed_xid"] for row in seen]
    assert transactions == sorted(set(transactions))


async def test_a_call_can_have_all_outcomes() -> None:
    client, call = await submitting(4)
    outcomes = Rejected("no"), Accepted("b"), Unknown("why"), Accepted("d")
    await answered(client.pool, call, *outcomes)
    rows = await db.fetch(ROWS)
    assert [(row["status"], row["reference"], row["failure"]) for row in rows] == [
        ("REJECTED", None, "no"),
        ("SENT", "b", None),
        ("UNKNOWN", None, None),
        ("SENT", "d", None),
    ]
    assert await db.held(client.account_id) == 10 - 3
    await db.assert_audit_holds()


async def test_a_late_answer_makes_an_unknown_message_sent() -> None:
    client, call = await submitting(2)
    await lease_passes(call)
    await answered(client.pool, call, Accepted("late"))
    assert [row["status"] for row in await db.fetch(ROWS)] == ["SENT", "SENT"]


@pytest.mark.parametrize("first", [Rejected("no"), Accepted("first")], ids=["rejected", "sent"])
async def test_a_decided_message_is_left_as_it_is(first: Outcome) -> None:
    client, call = await submitting()
    await answered(client.pool, call, first)
    before = await db.fetch(f"{ROWS}, version")
    await answered(client.pool, call, Accepted("second"))
    assert await db.fetch(f"{ROWS}, version") == before
    await db.assert_audit_holds()


async def test_an_answer_to_an_earlier_call_changes_nothing() -> None:
    client, earlier = await submitting()
    await answered(client.pool, earlier, NotSent("busy"))
    await db.execute("UPDATE message SET due_at = clock_timestamp()")
    (later,) = await marked(client.pool)
    await answered(client.pool, earlier, Accepted("earlier"))
    (row,) = await db.fetch(ROWS)
    assert (row["status"], row["reference"]) == ("SUBMITTING", None)
    await answered(client.pool, later, Rejected(NOT_TAKEN))
    await db.assert_audit_holds()


async def test_hints_are_published_for_the_send_and_its_messages() -> None:
    client, call = await submitting(2)
    heard: set[bytes] = set()
    stop = database.listen(lambda topics: heard.update(topics))
    try:
        await answered(client.pool, call, Accepted(None))
    finally:
        stop()
    assert hints.SEND + call.messages[0].send_id.bytes in heard
    assert {hints.MESSAGE + each.id.bytes for each in call.messages} <= heard
