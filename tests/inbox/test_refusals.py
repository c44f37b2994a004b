"""A gateway accepts a message, and the network behind it refuses it: one refund, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import permutations
from uuid import UUID

import pytest

from domain.dispatch.messages import Call
from domain.inbox.receive import receive_due
from domain.inbox.reports import (
    DELIVERED_IN_PART,
    REFUND_AFTER_SECONDS,
    REFUSED,
    REFUSED_IN_PART,
    UNDELIVERED,
    UNSENT,
    WAITS_FOR_REFUND,
)
from domain.inbox.webhooks import new_event
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.provider import Accepted, NotSent, Outcome, Unknown
from domain.sending.messages import NewSend
from persistence import store
from providers.registry import PARSERS
from tests import db
from tests.dispatch.parts import answered, lease_passes, marked
from tests.inbox import post
from tests.ledger.upstream import Upstream, pool_of, synced

pytestmark = pytest.mark.usefixtures("connected")
LONG = "A text of two segments. " * 10
WORDS = {"taken": "8", "delivered": "1", "failed": "2", "buffered": "4", "refused": "16"}


@pytest.fixture
async def client(connected: str) -> db.Tenant:
    """A client with 100 credits, in a pool of Kannel."""
    pool = await db.add_pool()
    await db.execute("UPDATE provider_account SET provider = 'kannel' WHERE id = $1", pool.id)
    return await db.add_client(pool, held=100)


async def submitted(
    client: db.Tenant, text: str = "Hello", outcome: Outcome | None = None
) -> tuple[NewSend, Call]:
    """A message after its call. It is accepted unless another outcome is given."""
    send = await db.accept(client, numbers=[post.PHONE], text=text)
    (call,) = await marked(client.pool)
    await answered(client.pool, call, outcome or Accepted(call.attempt_id.hex))
    return send, call


async def report(call: Call, *words: str) -> list[UUID]:
    """Stores these reports and receives them. Returns their events."""
    queries = [f"ref={call.attempt_id.hex}&status={WORDS[each]}".encode() for each in words]
    events = [new_event("kannel", PARSERS["kannel"](each), each) for each in queries]
    await store.store_events(events)
    await receive()
    return [each.id for each in events]


async def receive() -> None:
    while await receive_due(post.RECEIVER):
        pass


async def refund_is_due() -> None:
    """REFUND_AFTER_SECONDS have passed since the last change of a message."""
    passed = REFUND_AFTER_SECONDS + 1
    await db.execute(
        "UPDATE message SET updated_at = updated_at - make_interval(secs => $1)", passed
    )
    await db.execute("UPDATE webhook_event SET due_at = now() WHERE due_at IS NOT NULL")
    await receive()


async def state(send: NewSend) -> tuple[str, str | None]:
    (row,) = await db.fetch("SELECT status, failure FROM message WHERE send_id = $1", send.id)
    return row["status"], row["failure"]


async def refunds(send: NewSend) -> Sequence[int]:
    rows = await db.fetch(
        "SELECT amount FROM transfer WHERE send_id = $1 AND kind = 'REFUND'", send.id
    )
    return [row["amount"] for row in rows]


async def assert_consistent() -> None:
    """The ledger is consistent, reconcile finds nothing, and no report waits."""
    done = await reconcile(store, await new_reconciliation(store))
    assert (done.charged_missing, done.refunded_excess) == (0, 0)
    await db.assert_audit_holds()
    assert not await db.fetch("SELECT FROM webhook_event WHERE due_at IS NOT NULL")


async def test_a_message_that_the_network_refused_is_refunded_once_after_a_minute(
    client: db.Tenant,
) -> None:
    send, call = await submitted(client)
    (event_id,) = await report(call, "refused")
    assert await state(send) == ("UNDELIVERED", REFUSED)
    assert await refunds(send) == []
    (event,) = await post.rows_of([event_id])
    assert (event["reason"], event["due_at"] is not None) == (WAITS_FOR_REFUND, True)
    await refund_is_due()
    assert await state(send) == ("REJECTED", REFUSED)
    assert await refunds(send) == [1]
    assert await db.held(client.account_id) == 100
    (event,) = await post.rows_of([event_id])
    assert (event["outcome"], event["client_id"]) == ("ROUTED", client.client_id)
    await report(call, "refused", "taken", "delivered", "failed")
    await refund_is_due()
    assert await refunds(send) == [1]
    assert await state(send) == ("REJECTED", REFUSED)
    await assert_consistent()


async def test_the_refund_waits_also_if_its_event_is_due_early(client: db.Tenant) -> None:
    send, call = await submitted(client)
    await report(call, "refused")
    await db.execute("UPDATE webhook_event SET due_at = now() WHERE due_at IS NOT NULL")
    await receive()
    assert (await state(send))[0] == "UNDELIVERED"
    assert await refunds(send) == []


FINAL = {
    ("refused",): (("REJECTED", REFUSED), ("UNDELIVERED", REFUSED_IN_PART)),
    ("failed", "refused"): (("UNDELIVERED", UNDELIVERED), ("UNDELIVERED", REFUSED_IN_PART)),
    ("delivered", "refused"): (("DELIVERED", None), ("UNDELIVERED", DELIVERED_IN_PART)),
    ("delivered", "failed", "refused"): (("DELIVERED", None), ("UNDELIVERED", DELIVERED_IN_PART)),
}
"""By what was reported: the end of a short text, and of a long one."""


@pytest.mark.parametrize("text", ["Hello", LONG], ids=["short", "long"])
@pytest.mark.parametrize("verdicts", FINAL, ids=" ".join)
async def test_every_order_of_reports_ends_in_the_same_status_with_one_refund_or_none(
    client: db.Tenant, text: str, verdicts: tuple[str, ...]
) -> None:
    short, long = FINAL[verdicts]
    expected = long if text == LONG else short
    ended = []
    for order in permutations([*verdicts, "taken"]):
        ended.append(await submitted(client, text))
        for word in order:
            await report(ended[-1][1], word)
    await refund_is_due()
    for send, _ in ended:
        assert await state(send) == expected
        assert await refunds(send) == ([1] if expected[0] == "REJECTED" else [])
    await assert_consistent()


async def test_reports_of_one_batch_are_one_decision(client: db.Tenant) -> None:
    send, call = await submitted(client)
    await report(call, "refused")
    await db.execute("UPDATE message SET updated_at = updated_at - interval '1 hour'")
    await db.execute("UPDATE webhook_event SET due_at = now() WHERE due_at IS NOT NULL")
    await report(call, "delivered")
    assert await state(send) == ("DELIVERED", None)
    assert await refunds(send) == []
    await assert_consistent()


@pytest.mark.parametrize("outcome", [Unknown("no answer"), None], ids=["lost", "crashed"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("taken",), "SENT"),
        (("taken", "delivered"), "DELIVERED"),
        (("failed",), "UNDELIVERED"),
        (("refused",), "REJECTED"),
        (("buffered",), "UNKNOWN"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else None,
)
async def test_a_report_decides_a_message_whose_answer_was_lost(
    client: db.Tenant, outcome: Outcome | None, words: tuple[str, ...], expected: str
) -> None:
    send = await db.accept(client, numbers=[post.PHONE])
    (call,) = await marked(client.pool)
    if outcome is not None:
        await answered(client.pool, call, outcome)
    else:
        await lease_passes(call)
    for word in words:
        await report(call, word)
    await refund_is_due()
    assert (await state(send))[0] == expected
    assert await refunds(send) == ([1] if expected == "REJECTED" else [])
    await assert_consistent()


async def test_a_report_about_a_call_that_is_open_waits(client: db.Tenant) -> None:
    send = await db.accept(client, numbers=[post.PHONE])
    (call,) = await marked(client.pool)
    await report(call, "refused")
    assert (await state(send))[0] == "SUBMITTING"
    await answered(client.pool, call, Accepted(call.attempt_id.hex))
    await db.execute("UPDATE webhook_event SET due_at = now() WHERE due_at IS NOT NULL")
    await receive()
    assert (await state(send))[0] == "UNDELIVERED"
    await refund_is_due()
    assert await refunds(send) == [1]
    await assert_consistent()


async def test_a_refusal_of_an_earlier_attempt_does_not_refund_the_next_one(
    client: db.Tenant,
) -> None:
    send, first = await submitted(client, outcome=NotSent("no route"))
    await db.execute("UPDATE message SET due_at = now()")
    (second,) = await marked(client.pool)
    await answered(client.pool, second, Accepted(second.attempt_id.hex))
    (event_id,) = await report(first, "refused")
    (event,) = await post.rows_of([event_id])
    assert (event["reason"], event["due_at"]) == (UNSENT, None)
    await refund_is_due()
    assert (await state(send))[0] == "SENT"
    assert await refunds(send) == []


async def test_a_refund_after_a_reading_comes_from_the_pool(client: db.Tenant) -> None:
    send, call = await submitted(client)
    # The network does not have the message, so the provider still has the unit.
    await synced(client.pool, Upstream(1_000))
    assert await pool_of(client.pool) == 1_000
    await report(call, "refused")
    await refund_is_due()
    assert await refunds(send) == [1]
    assert await pool_of(client.pool) == 1_000
    assert await db.held(client.account_id) == 100
    await assert_consistent()


async def test_two_receivers_refund_once(client: db.Tenant) -> None:
    sends = [await submitted(client) for _ in range(5)]
    for _, call in sends:
        await report(call, "refused")
    passed = REFUND_AFTER_SECONDS + 1
    await db.execute(
        "UPDATE message SET updated_at = updated_at - make_interval(secs => $1)", passed
    )
    await db.execute("UPDATE webhook_event SET due_at = now() WHERE due_at IS NOT NULL")
    await asyncio.gather(*(receive_due(post.RECEIVER, most=2) for _ in range(6)))
    await receive()
    for send, _ in sends:
        assert await refunds(send) == [1]
    await assert_consistent()


def updated(word: str, reference: str) -> dict[str, object]:
    """An event of another Ibiki."""
    data = {"id": reference, "status": word, "number": post.PHONE}
    return {"id": f"hev_{word}", "type": "message.updated", "data": data}


@pytest.mark.parametrize("text", ["Hello", LONG], ids=["short", "long"])
@pytest.mark.parametrize("outcome", ["accepted", "lost"])
@pytest.mark.parametrize("word", ["REJECTED", "CANCELLED"])
async def test_what_another_ibiki_refunds_is_refunded_at_once_however_long_it_is(
    client: db.Tenant, text: str, outcome: str, word: str
) -> None:
    await db.execute("UPDATE provider_account SET provider = 'ibiki'")
    lost = Unknown("It contradicts itself.", "msg_1")
    send, _ = await submitted(client, text, lost if outcome == "lost" else Accepted("msg_1"))
    first, second = await post.received(
        updated(word, "msg_1"), {**updated(word, "msg_1"), "again": 1}, provider="ibiki"
    )
    assert (first["outcome"], first["client_id"]) == ("ROUTED", client.client_id)
    assert second["outcome"] == "DUPLICATE"
    assert await state(send) == ("REJECTED", REFUSED)
    assert await refunds(send) == [1]
    await post.received(updated("DELIVERED", "msg_1"), provider="ibiki")
    assert await state(send) == ("REJECTED", REFUSED)
    await assert_consistent()


async def test_a_reading_before_a_return_has_the_charge(client: db.Tenant) -> None:
    await db.execute("UPDATE provider_account SET provider = 'ibiki'")
    send, _ = await submitted(client, outcome=Accepted("msg_1"))
    upstream = Upstream(999)
    await synced(client.pool, upstream)
    upstream.balance_now += 1
    await post.received(updated("CANCELLED", "msg_1"), provider="ibiki")
    assert await refunds(send) == [1]
    assert await db.held(client.account_id) == 100
    assert (await synced(client.pool, upstream)).change == 0
    await assert_consistent()


async def test_what_was_delivered_is_not_refunded_by_a_later_return(client: db.Tenant) -> None:
    await db.execute("UPDATE provider_account SET provider = 'ibiki'")
    send, _ = await submitted(client, outcome=Accepted("msg_1"))
    await post.received(updated("DELIVERED", "msg_1"), provider="ibiki")
    await post.received(updated("REJECTED", "msg_1"), provider="ibiki")
    assert await state(send) == ("DELIVERED", None)
    assert await refunds(send) == []
    await assert_consistent()
