"""A database as it is after some months: each of its tables by month has a number of months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

from domain.ids import first_id_at
from persistence.partitions import COLUMNS, month_of, read_partitions
from persistence.servers import credentials


async def live_for(months: int, url: str) -> None:
    """Puts empty months before the present one, instead of the first partition, which is empty."""
    held = await asyncpg.connect(**credentials(url))
    begins = [month_of(datetime.now(UTC))]
    while len(begins) < months:
        begins.insert(0, month_of(begins[0] - timedelta(days=1)))
    edges = [f"'{first_id_at(each)}'" for each in begins]
    try:
        for each in await read_partitions(held, list(COLUMNS)):
            if each.since is not None or each.is_default:
                continue
            await held.execute(
                f"ALTER TABLE {each.table} DETACH PARTITION {each.name}; DROP TABLE {each.name}"
            )
            ends = [*edges[1:], f"'{each.until}'"]
            for month, since, until in zip(begins, ["MINVALUE", *edges[1:]], ends, strict=True):
                await held.execute(
                    f"CREATE TABLE {each.table}_{month:%Y_%m} PARTITION OF {each.table}"
                    f" FOR VALUES FROM ({since}) TO ({until})"
                )
    finally:
        await held.close()
