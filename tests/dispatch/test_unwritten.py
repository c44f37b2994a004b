"""Messages that a job has not written yet are charged, in flight and QUEUED like all others."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from domain.dispatch.cancel import cancel_message, cancel_send
from domain.identity.access import Everything
from domain.ids import new_id
from domain.ledger.audit import audit, new_audit
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.pages import Window
from domain.sending.files.table import KEPT_SECONDS
from domain.sending.lists import SendFilter
from domain.sending.messages import MessageStatus, SendKind
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, marked

pytestmark = pytest.mark.usefixtures("connected")

ADD_UPLOAD = """
INSERT INTO upload (id, client_id, size, layout, created_at)
VALUES ($1, $2, 1, '{}', now() - interval '2 days')
"""
# As if the last messages were not written yet.
UNWRITE = """
WITH gone AS (
    DELETE FROM message WHERE id IN (
        SELECT id FROM message WHERE send_id = $1 ORDER BY id DESC LIMIT $2)
    RETURNING price
)
INSERT INTO send_job (send_id, client_id, provider_account_id, price, upload_id, plan,
                      accepted_rows, unwritten)
SELECT id, client_id, provider_account_id, price, $3, '{}', '', $2 FROM send
WHERE id = $1 AND EXISTS (SELECT FROM gone)
"""


async def half_written(client: db.Tenant) -> UUID:
    """A job of 10 messages. Four of them are written."""
    send = await db.accept(client, 10, kind=SendKind.CSV)
    upload_id = new_id()
    await db.execute(ADD_UPLOAD, upload_id, client.client_id)
    await db.execute(UNWRITE, send.id, 6, upload_id)
    return send.id


async def counts(send_id: UUID) -> dict[MessageStatus, int]:
    return dict((await store.find_send(Everything(), send_id)).counts)


async def violations() -> list[str]:
    return list((await audit(store, await new_audit(store), rest=0)).violations)


async def differences() -> int:
    run = await reconcile(store, await new_reconciliation(store))
    return run.charged_missing + run.refunded_excess


async def test_all_figures_know_the_messages_that_are_not_written() -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    send_id = await half_written(client)
    assert await counts(send_id) == {MessageStatus.QUEUED: 10}
    assert await db.held(client.account_id) == 20
    async with store.transaction() as tx:
        assert (await store.pool_figures(tx, client.pool.id)).in_flight == 10
        assert await store.count_open_messages(tx, client.client_id) == 10
    await db.execute("UPDATE provider_account SET stopped_at = now()")
    [account] = await store.read_provider_accounts(Everything())
    assert (account.platform.in_flight, account.platform.signs.queued) == (10, 10)
    assert (await store.read_backlog()).queued == 10
    assert (await violations(), await differences()) == ([], 0)
    await db.execute("UPDATE send SET tallied = false")
    assert await counts(send_id) == {MessageStatus.QUEUED: 10}


@pytest.mark.parametrize("change", ["unwritten = unwritten - 1", "price = 2", "cancelled = 1"])
async def test_the_audit_notices_a_wrong_job(change: str) -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    send_id = await half_written(client)
    await db.execute(f"UPDATE send_job SET {change}")
    [violation] = await violations()
    assert str(send_id) in violation


async def test_cancelling_refunds_what_is_queued_and_what_is_not_written_once() -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    send_id = await half_written(client)
    await marked(
        client.pool, rules=replace(QUICK, calls_at_once=1), batch=1
    )  # of the first message
    for _ in range(2):
        send = await cancel_send(store, client.actor, send_id)
        assert send.counts == {MessageStatus.SUBMITTING: 1, MessageStatus.CANCELLED: 9}
    assert await db.held(client.account_id) == 30 - 1
    refunds = await db.fetch("SELECT amount FROM transfer WHERE kind = 'REFUND'")
    assert refunds == [{"amount": 9}]
    assert (await violations(), await differences()) == ([], 0)
    await db.execute("UPDATE send SET tallied = false")
    assert await counts(send_id) == send.counts
    [job] = await db.fetch("SELECT unwritten, cancelled, plan, accepted_rows FROM send_job")
    assert job == {"unwritten": 0, "cancelled": 6, "plan": None, "accepted_rows": None}


async def test_one_message_is_cancelled_without_the_rest() -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    send_id = await half_written(client)
    [first, *_] = await db.fetch("SELECT id FROM message ORDER BY id")
    await cancel_message(store, client.actor, first["id"])
    assert await counts(send_id) == {MessageStatus.QUEUED: 9, MessageStatus.CANCELLED: 1}
    assert (await violations(), await differences()) == ([], 0)


async def test_reconcile_corrects_a_job_like_other_sends() -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    await half_written(client)
    await cancel_send(store, client.actor, (await db.fetch("SELECT id FROM send"))[0]["id"])
    await db.execute(
        "UPDATE send_job SET cancelled = 5, unwritten = 1, plan = '{}', accepted_rows = ''"
    )
    assert await differences() == 1
    assert await differences() == 0


async def test_a_job_that_no_process_looks_at_is_overdue() -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    await half_written(client)
    # The four that are written are not overdue.
    await db.execute("UPDATE send_job SET seen_at = now() - interval '10 minutes'")
    [account] = await store.read_provider_accounts(Everything())
    signs = account.platform.signs
    assert (signs.overdue, signs.is_dispatching) == (6, False)


async def test_the_upload_is_kept_until_the_job_has_ended() -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    send_id = await half_written(client)
    assert await store.purge_uploads(age_seconds=KEPT_SECONDS, most=10) == 0
    await cancel_send(store, client.actor, send_id)
    assert await store.purge_uploads(age_seconds=KEPT_SECONDS, most=10) == 1


async def test_a_scheduled_job_is_listed_as_scheduled() -> None:
    client = await db.add_client(await db.add_pool(held=100), held=30)
    await half_written(client)
    await db.execute("UPDATE send SET due_until = now() + interval '1 hour'")
    await db.execute("DELETE FROM message")
    wanted = replace(SendFilter(), scheduled=True)
    page = await store.read_sends(Everything(), Window(5), filter=wanted)
    assert len(page.items) == 1
