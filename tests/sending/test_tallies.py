"""The counters of large sends agree with the statuses of their messages."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from domain.ledger.audit import audit, new_audit
from domain.sending.messages import MessageStatus, SendKind
from persistence import store
from persistence.sending import tallies
from persistence.sending.tallies import fold_tallies, read_counts
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection, connection_to

OPENED = importlib.import_module("persistence.migrations.0059_open_sends_so_far")
BACKFILL = importlib.import_module("persistence.migrations.0042_tallies_of_old_sends")
CHANGE = """
UPDATE message SET status = $3, attempt_id = id WHERE id IN (
    SELECT id FROM message WHERE send_id = $1 AND status = $2 ORDER BY id LIMIT $4)
"""


@pytest.fixture
async def send_id(database_url: str) -> AsyncIterator[UUID]:
    """A send to 30 numbers."""
    async with db.connected(database_url):
        client = await db.add_client()
        yield (await db.accept(client, 30, kind=SendKind.BULK)).id


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[OtherConnection]:
    """Another connection to the same database."""
    async with connection_to(database_url) as connection:
        yield connection


async def counted(send_id: UUID) -> dict[str, int]:
    """The counters of a send, after a comparison with its messages."""
    counts = (await read_counts([send_id]))[send_id]
    found = {status.value: count for status, count in counts.items()}
    assert found == await db.statuses(send_id)
    return found


async def test_each_statement_that_changes_statuses_is_counted(send_id: UUID) -> None:
    assert await counted(send_id) == {"QUEUED": 30}
    await db.execute(CHANGE, send_id, "QUEUED", "SUBMITTING", 20)
    await db.execute(CHANGE, send_id, "SUBMITTING", "SENT", 12)
    await db.execute(CHANGE, send_id, "SUBMITTING", "QUEUED", 3)
    await db.execute(CHANGE, send_id, "SENT", "DELIVERED", 5)
    await db.execute("UPDATE message SET number = number")  # changes no status
    assert await counted(send_id) == {"QUEUED": 13, "SUBMITTING": 5, "SENT": 7, "DELIVERED": 5}
    assert len(await db.fetch("SELECT FROM send_tally")) == 4


async def test_many_rows_are_replaced_by_their_sum(
    send_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "MOST_TALLIES", 3)
    for _ in range(5):
        await db.execute(CHANGE, send_id, "QUEUED", "SUBMITTING", 1)
        await db.execute(CHANGE, send_id, "SUBMITTING", "SENT", 1)
    await asyncio.gather(*(fold_tallies() for _ in range(3)))
    assert len(await db.fetch("SELECT FROM send_tally")) == 1
    assert not await fold_tallies()
    assert await counted(send_id) == {"QUEUED": 25, "SENT": 5}


async def test_changes_of_one_send_do_not_wait_for_each_other(
    send_id: UUID, other: OtherConnection
) -> None:
    async with other.transaction():
        await other.execute(CHANGE, send_id, "QUEUED", "SUBMITTING", 10)
        async with asyncio.timeout(PATIENCE_SECONDS):
            last = "(SELECT id FROM message ORDER BY id DESC LIMIT 1)"
            await db.execute(f"UPDATE message SET status = 'CANCELLED' WHERE id = {last}")
            assert await counted(send_id) == {"QUEUED": 29, "CANCELLED": 1}
    assert await counted(send_id) == {"QUEUED": 19, "SUBMITTING": 10, "CANCELLED": 1}


async def test_a_single_message_has_no_counter(send_id: UUID) -> None:
    client = await db.add_client(await db.add_pool(default=False))
    single = await db.accept(client, kind=SendKind.SINGLE)
    await db.execute(CHANGE, single.id, "QUEUED", "SENT", 1)
    assert not await db.fetch("SELECT FROM send_tally")
    counts = await read_counts([single.id, send_id])
    assert counts == {single.id: {MessageStatus.SENT: 1}, send_id: {MessageStatus.QUEUED: 30}}


async def test_a_send_is_open_until_none_of_its_messages_can_wait(send_id: UUID) -> None:
    async def is_open() -> bool:
        await fold_tallies()
        return bool(await db.fetch("SELECT FROM open_send WHERE send_id = $1", send_id))

    assert await is_open()
    await db.execute(CHANGE, send_id, "QUEUED", "SENT", 29)
    assert await is_open()
    await db.execute(CHANGE, send_id, "QUEUED", "UNKNOWN", 1)
    assert await is_open()  # a person may decide that it is sent again
    await db.execute(CHANGE, send_id, "UNKNOWN", "REJECTED", 1)
    assert not await is_open()


async def test_the_audit_finds_a_send_that_waits_and_is_not_open(send_id: UUID) -> None:
    await db.execute("DELETE FROM open_send")
    done = await audit(store, await new_audit(store), rest=0)
    assert [each for each in done.violations if f"send {send_id}: its counters" in each]


async def test_sends_of_before_are_opened_if_their_messages_may_wait(send_id: UUID) -> None:
    client = await db.add_client(await db.add_pool(default=False))
    for status in ("UNKNOWN", "SENT"):
        send = await db.accept(client, 2, kind=SendKind.BULK)
        await db.execute(CHANGE, send.id, "QUEUED", status, 2)
    before = await db.fetch("SELECT * FROM open_send ORDER BY send_id LIMIT 2")
    # As if the table had been added now.
    await db.execute("DELETE FROM open_send")
    for _ in range(2):  # safe to repeat
        await db.execute(OPENED.OPEN)
        assert await db.fetch("SELECT * FROM open_send ORDER BY send_id") == before


async def test_the_audit_finds_a_wrong_counter(send_id: UUID) -> None:
    await db.execute(CHANGE, send_id, "QUEUED", "SENT", 10)
    await db.assert_audit_holds()
    await db.execute("UPDATE send_tally SET sent = sent - 1, delivered = delivered + 1")
    done = await audit(store, await new_audit(store), rest=0)
    assert [each for each in done.violations if f"send {send_id}: its counters" in each]


async def test_sends_without_counters_get_them_while_their_messages_change(
    send_id: UUID, other: OtherConnection
) -> None:
    await db.execute(CHANGE, send_id, "QUEUED", "SENT", 10)
    # As if the counters had been added now.
    await db.execute("DELETE FROM send_tally")
    await db.execute("UPDATE send SET tallied = false")
    assert await counted(send_id) == {"QUEUED": 20, "SENT": 10}
    await db.execute(CHANGE, send_id, "SENT", "DELIVERED", 4)
    async with other.transaction():
        await other.execute(CHANGE, send_id, "QUEUED", "SUBMITTING", 1)
        await db.execute(BACKFILL.COUNT)
    assert await counted(send_id) == {"QUEUED": 19, "SUBMITTING": 1, "SENT": 6, "DELIVERED": 4}
    await db.execute(BACKFILL.COUNT)  # safe to repeat
    assert await counted(send_id) == {"QUEUED": 19, "SUBMITTING": 1, "SENT": 6, "DELIVERED": 4}
