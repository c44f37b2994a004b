"""Events of clients that hold less than their threshold. SQL: it compares all of them at once."""

from __future__ import annotations

from domain.ids import new_id
from persistence.database import connection

MOST_NOTICED = 1_000

LOW = """
SELECT client.id, low_balance_threshold, held
FROM client JOIN account ON account.id = client.account_id
WHERE held < low_balance_threshold AND NOT EXISTS (
    SELECT FROM low_balance WHERE client_id = client.id AND ended_at IS NULL)
LIMIT $1
"""
# Another process may notice the same: the first one counts. Written in the order of clients, so
# that two processes cannot deadlock.
NOTICE = """
INSERT INTO low_balance (id, client_id, threshold, balance) VALUES ($1, $2, $3, $4)
ON CONFLICT (client_id) WHERE ended_at IS NULL DO NOTHING
"""
END = """
UPDATE low_balance SET ended_at = clock_timestamp()
FROM client JOIN account ON account.id = client.account_id
WHERE client.id = client_id AND ended_at IS NULL
  AND (low_balance_threshold IS NULL OR held >= low_balance_threshold)
"""


async def notice_low_balances() -> bool:
    """Begins and ends the events of low balances. Returns whether there may be more.

    Safe in many processes at once.
    """
    async with connection() as pooled:
        rows = await pooled.fetch(LOW, MOST_NOTICED)
        if rows:
            rows.sort(key=lambda row: row[0])
            await pooled.executemany(NOTICE, [(new_id(), *row) for row in rows])
        await pooled.execute(END)
    return len(rows) == MOST_NOTICED
