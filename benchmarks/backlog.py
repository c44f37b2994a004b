"""The figures of the queue with 1,000,000 messages in it: /metrics, balances and sync."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median

from benchmarks.databases import new_database, own_connection
from benchmarks.measurement import Measurement
from benchmarks.tenants import add_tenants
from domain.ledger.balances import BalanceView
from persistence import store
from persistence.dispatch.backlog import read_backlog
from persistence.ledger.balances import read_balances
from persistence.ledger.pools import find_provider_account, pool_figures
from persistence.ledger.singles import sum_singles
from tests import db

QUEUED = 1_000_000
TRIES = 5

# Every second message is QUEUED. Each has its own text of 160 characters, as bulkSendMulti
# and csvSend write them: a read of the table is then a read of 600 MB.
FILL = """
WITH made AS (
    SELECT (lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id, n,
           client.id AS client_id, account.provider_account_id
    FROM generate_series(1, 2 * $1::int8) AS n, client
    JOIN account ON account.id = client.account_id
)
INSERT INTO message (id, send_id, client_id, provider_account_id, number, text, status, attempt_id,
                     priority, price, due_at)
SELECT id, id, client_id, provider_account_id, '+1202' || (2000000 + n % 1000000),
       repeat(md5(n::text), 5), CASE n % 2 WHEN 0 THEN 'QUEUED' ELSE 'SENT' END,
       CASE n % 2 WHEN 0 THEN NULL ELSE id END, 1, 1, now()
FROM made
"""


def main() -> list[Measurement]:
    """Milliseconds for each statement: just after filling, after autovacuum, and with a sum."""
    with new_database() as database:
        asyncio.run(add_tenants(database.url, 1, units=1_000))
        return asyncio.run(_measure(database.url))


async def _measure(url: str) -> list[Measurement]:
    async with own_connection(url) as connection, db.connected(url):
        await connection.execute(FILL, QUEUED)
        await connection.execute("ANALYZE message")
        figures = await _times("just filled")
        await connection.execute("VACUUM message")
        figures += await _times("vacuumed")
        for _ in range(3):  # a sum is opened, waits for older transactions, and gets its figure
            await sum_singles()
        return [*figures, *await _times("summed")]


async def _times(when: str) -> list[Measurement]:
    account = await find_provider_account(None)

    async def figures_of_sync() -> None:
        async with store.transaction() as tx:
            await pool_figures(tx, account.id)

    async def balances() -> None:
        await read_balances(BalanceView())

    async def backlog() -> None:
        await read_backlog()

    works = {"/metrics": backlog, "balances": balances, "sync, under the lock": figures_of_sync}
    return [
        Measurement(f"{name}, 1,000,000 queued, {when}", await _milliseconds(work), "ms")
        for name, work in works.items()
    ]


async def _milliseconds(work: Callable[[], Awaitable[None]]) -> float:
    taken = []
    for _ in range(TRIES):
        begun = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - begun)
    return median(taken) * 1_000
