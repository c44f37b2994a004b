"""The figures of the queue come from its indexes alone, however large the message table is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from persistence.dispatch.backlog import WAITING
from persistence.ledger.balances import BALANCES, PROVIDER_ACCOUNTS
from persistence.ledger.pools import POOL_FIGURES
from tests import db

LONG_TEXT = "x" * 1_500
"""The planner reads a table of short rows from end to end: that is not more work than its index."""


@pytest.fixture
async def pool(new_database_url: str) -> AsyncIterator[db.Pool]:
    async with db.connected(new_database_url, pool_size=1):
        client = await db.add_client(held=10_000)
        for _ in range(2):
            await db.accept(client, texts=[LONG_TEXT] * 3_000)
        await db.execute(
            "UPDATE message SET status = 'SENT', attempt_id = id WHERE id IN"
            " (SELECT id FROM message ORDER BY id LIMIT 3000)"
        )
        await db.execute("VACUUM (ANALYZE) message")
        yield client.pool


@pytest.mark.parametrize("figures", ["metrics", "balances", "provider accounts", "sync"])
async def test_the_figures_of_the_queue_read_no_row_of_a_message(
    pool: db.Pool, figures: str
) -> None:
    statements: dict[str, tuple[str, list[object]]] = {
        "metrics": (WAITING, []),
        "balances": (BALANCES, [None, None, None, "ANY", None]),
        "provider accounts": (PROVIDER_ACCOUNTS, [None]),
        "sync": (POOL_FIGURES, [pool.id]),
    }
    statement, arguments = statements[figures]
    rows = await db.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}", *arguments)
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "Index Only Scan using message_queued_single on message" in plan, plan
    assert "Seq Scan on message" not in plan, plan
    assert not re.search(r"Index Scan using message_queued_apart", plan), plan
    # VACUUM skips a page that another process has just pinned.
    assert sum(map(int, re.findall(r"Heap Fetches: (\d+)", plan))) < 100, plan
