"""A program that drops old messages one by one and says so, to be killed in the middle.

python -m tests.retention.dropping URL
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from domain.retention import retention
from domain.retention.rules import Retention
from persistence import store
from tests import db


async def drop_all(url: str) -> None:
    """Drops one row in each step, prints what, and waits for a line of its input."""
    retention.MOST = 1
    async with db.connected(url):
        rules = await store.read_rules(Retention(months=1))
        async for found in retention.drop_old(
            store, rules, datetime.now(UTC), dry_run=False, rest=0
        ):
            sys.stdout.write(f"{found.kind.value}\n")
            sys.stdout.flush()
            sys.stdin.readline()


if __name__ == "__main__":
    asyncio.run(drop_all(sys.argv[1]))
