"""Reconcile over many messages with nothing to correct: 1,000,000, or RECONCILE_MESSAGES.

The goal is 10,000,000 in 15 s. A smaller number has a smaller goal. On a busy machine, look
at the CPU: on an idle machine, the seconds are about the same.
"""

from __future__ import annotations

import asyncio
import os
import time
from uuid import UUID

from benchmarks.databases import Database, fill_ledger, new_database
from benchmarks.measurement import Measurement
from benchmarks.tenants import add_tenants
from domain.ledger.reconcile import new_reconciliation, reconcile
from persistence import opening, store

MESSAGES = int(os.environ.get("RECONCILE_MESSAGES", "1000000"))
MESSAGES_A_SECOND = 10_000_000 / 15
LONGEST_PAGE_MS = 200

# Triggers are off: the transfers are not the next ones of their account.
FILL = """
ALTER TABLE transfer DISABLE TRIGGER USER;
CREATE TEMPORARY TABLE made AS
SELECT (lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id, n,
       client.id AS client_id, client.account_id, account.provider_account_id
FROM generate_series(1, {sends}) AS n, client JOIN account ON account.id = client.account_id;
INSERT INTO send (id, client_id, account_id, provider_account_id, kind, text, price, accepted,
                  rejected_count, captured, tallied)
SELECT id, client_id, account_id, provider_account_id, 'BULK', 'Hello', 1, {size}, 0, true, false
FROM made;
INSERT INTO message (id, send_id, client_id, provider_account_id, number, status, priority, price,
                     due_at, attempt_id)
SELECT gen_random_uuid(), made.id, client_id, provider_account_id, '+12025550143', 'SENT', 1, 1,
       now(), made.id
FROM made, generate_series(1, {size});
INSERT INTO transfer (id, provider_account_id, kind, amount, source_id, source_balance,
                      source_version, send_id)
SELECT id, provider_account_id, 'SEND', {size}, account_id, 0, n + 1000, id FROM made;
DROP TABLE made;
ALTER TABLE transfer ENABLE TRIGGER USER;
"""


def main() -> list[Measurement]:
    """Seconds for all, and the longest page, for singles and for bulk sends of 1,000."""
    return [each for size in (1, 1_000) for each in _measure(size)]


def _measure(size: int) -> list[Measurement]:
    with new_database() as db:
        asyncio.run(add_tenants(db.url, 1, units=1_000))
        return asyncio.run(_run(db, size))


async def _run(db: Database, size: int) -> list[Measurement]:
    await fill_ledger(db.url, FILL.format(sends=MESSAGES // size, size=size))
    await opening.connect(db.url)
    longest = await _longest_page()
    own = os.getpid()
    cpu, began = db.cpu(own), time.perf_counter()
    done = await reconcile(store, await new_reconciliation(store))
    seconds, cpu = time.perf_counter() - began, db.cpu(own) - cpu
    assert (done.messages_checked, done.charged_missing) == (MESSAGES, 0)
    await opening.disconnect()
    what = f"{MESSAGES:,} messages, {size:,} a send"
    return [
        Measurement(what, seconds, "s", at_most=MESSAGES / MESSAGES_A_SECOND),
        Measurement(f"{what}: CPU", cpu, "s", at_most=MESSAGES / MESSAGES_A_SECOND),
        Measurement(f"{what}: longest page", longest, "ms", at_most=LONGEST_PAGE_MS),
    ]


async def _longest_page() -> float:
    longest, after = 0.0, UUID(int=0)
    while True:
        began = time.perf_counter()
        page = await store.check_sends(after, since=None)
        longest = max(longest, time.perf_counter() - began)
        if page is None:
            return longest * 1_000
        after = page.last_id
