"""Statistics of all clients are those of the messages, although large sends are not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.identity.access import Everything, OfClient
from domain.sending.lists import Period
from domain.sending.messages import SendKind
from persistence.sending import stats
from persistence.sending.stats import read_message_stats
from tests import db
from tests.persistence.test_reads_stay_small import PLANNING, assert_small, work_of

AGE = """
UPDATE {} SET created_at = created_at - make_interval(hours => $1)
WHERE id BETWEEN $2 AND (left($2::text, 30) || 'ffffff')::uuid
"""
CHANGE = """
UPDATE message SET status = $1, attempt_id = send_id WHERE id IN (
    SELECT id FROM message WHERE status = 'QUEUED' ORDER BY right(md5(id::text), 4) LIMIT $2)
"""
# Four are not written yet, and three were cancelled before they were written.
JOB = """
WITH job AS (
    INSERT INTO send_job (send_id, client_id, provider_account_id, upload_id, price, unwritten,
                          cancelled, plan, accepted_rows)
    SELECT id, client_id, provider_account_id, id, price, 4, 3, '{}', '' FROM send WHERE id = $1
), tally AS (
    INSERT INTO send_tally (send_id, queued, cancelled) VALUES ($1, -3, 3)
)
UPDATE send SET accepted = accepted + 7 WHERE id = $1
"""


@pytest.fixture
async def since(database_url: str) -> AsyncIterator[datetime]:
    """Sends of two clients in three hours, some as earlier releases wrote them."""
    async with db.connected(database_url, pool_size=1):
        pool = await db.add_pool(price=3)
        clients = [await db.add_client(pool, held=1_000) for _ in range(2)]
        kinds = (SendKind.BULK, SendKind.SINGLE, SendKind.MULTI, SendKind.CSV, SendKind.REPLY)
        sends = []
        for number in range(20):
            kind = kinds[number % 5]
            count = 1 if kind in (SendKind.SINGLE, SendKind.REPLY) else 3 + number
            send = await db.accept(clients[number % 2], count, kind=kind)
            for table in ("message", "send"):
                await db.execute(AGE.format(table), number % 3, send.id)
            sends.append(send.id)
        await db.execute("UPDATE message SET by_send = true WHERE send_id = $1", sends[2])
        await db.execute("UPDATE send SET tallied = false WHERE id = $1", sends[5])
        for status, number in (("SENT", 90), ("DELIVERED", 40), ("CANCELLED", 10)):
            await db.execute(CHANGE, status, number)
        await db.execute(JOB, sends[7])
        yield datetime.now(UTC) - timedelta(hours=1, minutes=30)


@pytest.mark.parametrize("counted_from", [1, 12, 1_000])
async def test_messages_of_all_clients_are_counted(
    since: datetime, counted_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "COUNTED_FROM", counted_from)
    until = datetime.now(UTC)
    rows = await db.fetch("SELECT status, created_at, price FROM message")
    expected = Counter[object]()
    for row in rows:
        if row["created_at"] >= since:
            hour = row["created_at"].replace(minute=0, second=0, microsecond=0)
            expected[hour, row["status"], "messages"] += 1
            expected[hour, row["status"], "units"] += row["price"]
    found = Counter[object]()
    for each in await read_message_stats(Everything(), Period.HOUR, since, until):
        found[each.starts_at, each.status, "messages"] += each.messages
        found[each.starts_at, each.status, "units"] += each.units
    assert found == expected
    assert len({each[0] for each in expected}) in (2, 3)  # type: ignore[index]


async def test_messages_of_large_sends_are_not_read(
    since: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "COUNTED_FROM", 12)
    await db.execute("VACUUM ANALYZE message")
    [row] = await db.fetch(
        "SELECT count(*) AS messages FROM message JOIN send ON send.id = send_id"
        " WHERE accepted < 12 OR NOT tallied"
    )
    read = read_message_stats(Everything(), Period.DAY, since, datetime.now(UTC))
    assert (await work_of(read)).rows["message"] <= row["messages"] + PLANNING


async def test_statistics_of_a_client_read_no_message_of_others(database_url: str) -> None:
    """One client has a bulk that waits, another sent a bulk at the same time."""
    async with db.connected(database_url, pool_size=1):
        busy = await db.add_client(held=10_000)
        quiet = await db.add_client(busy.pool, held=100)
        later = datetime.now(UTC) + timedelta(hours=1)
        await db.accept(quiet, 20, send_at=later)
        await db.accept(busy, 10_000)
        await db.execute("ANALYZE")
        for hours in (1, 100):
            since = later - timedelta(hours=hours + 1)
            work = await work_of(
                read_message_stats(OfClient(quiet.client_id), Period.DAY, since, later)
            )
            assert_small(work, most_rows=60)
