"""How much slower sends are while an audit of 1,000,000 transfers (or AUDIT_TRANSFERS) runs.

The audit runs and pauses in turns of a second, so that both rates are measured in one run, under
the same load of the machine. Sends come from 64 callers without a pause. With AUDIT_TURNS,
the audit is cancelled after that many turns with an audit.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from itertools import count
from typing import Any

from benchmarks.accept import CALLERS, send_of
from benchmarks.databases import fill_ledger, new_database
from benchmarks.measurement import Measurement
from domain.ledger.audit import audit, new_audit
from domain.ledger.audits import Audit
from domain.sending.accept import AcceptedNow
from domain.sending.acceptor import Acceptor
from persistence import store
from tests import db

TRANSFERS = int(os.environ.get("AUDIT_TRANSFERS", "1000000"))
ACCOUNTS = 100
UNITS = 100_000_000
TURN_SECONDS = 1.0
TURNS = int(os.environ.get("AUDIT_TURNS", "10000"))

# Transfers as the program writes them: of each account in turn, with versions and balances.
# Triggers are off, because they would look at each statement's rows one account at a time.
FILL = """
SET session_replication_role = replica;
CREATE TEMPORARY TABLE made AS
SELECT (lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id,
       client.id AS client_id, client.account_id, account.provider_account_id, turn
FROM generate_series(1, {turns}) AS turn,
     (SELECT *, row_number() OVER (ORDER BY id) AS place FROM client) AS client
JOIN account ON account.id = client.account_id
CROSS JOIN LATERAL (SELECT (turn - 1) * {accounts} + place AS n) AS numbered;
INSERT INTO send (id, client_id, account_id, provider_account_id, kind, text, price, accepted,
                  rejected_count, captured)
SELECT id, client_id, account_id, provider_account_id, 'SINGLE', 'Hello', 1, 1, 0, true
FROM made ORDER BY id;
INSERT INTO message (id, send_id, client_id, provider_account_id, number, status, priority, price,
                     due_at, attempt_id)
SELECT id, id, client_id, provider_account_id, '+12025550143', 'SENT', 1, 1, now(), id
FROM made ORDER BY id;
INSERT INTO transfer (id, provider_account_id, kind, amount, source_id, source_balance,
                      source_version, send_id)
SELECT id, provider_account_id, 'SEND', 1, account_id, {units} - turn, turn + 1, id
FROM made ORDER BY id;
UPDATE account SET held = held - {turns}, version = version + {turns} WHERE kind = 'CLIENT';
DROP TABLE made;
"""


@dataclass
class Turns:
    """The store of an audit that can be paused, and the rates of sends in both kinds of turn."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    rates: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    checked: int = 0

    def __getattr__(self, name: str) -> Any:
        function = getattr(store, name)
        if not iscoroutinefunction(function):
            return function

        async def when_it_may(*arguments: Any, **named: Any) -> Any:
            await self.gate.wait()
            return await function(*arguments, **named)

        return when_it_may

    async def take(self, auditing: asyncio.Task[Audit]) -> None:
        """Takes turns until the audit is finished."""
        while not auditing.done() and len(self.rates[True]) < TURNS:
            for runs in (False, True):
                if runs:
                    self.gate.set()
                before, began = self.sent, time.perf_counter()
                await asyncio.sleep(TURN_SECONDS)
                self.gate.clear()
                rate = (self.sent - before) / (time.perf_counter() - began)
                if not auditing.done():
                    self.rates[runs].append(rate)


def main() -> list[Measurement]:
    """The ratio of the rates, and how long the audit took in its turns."""
    with new_database() as database:
        turns = asyncio.run(_measure(database.url))
    quiet, loaded = (sum(rates) / len(rates) for rates in (turns.rates[False], turns.rates[True]))
    return [
        Measurement("sends without an audit", quiet, "sends/s"),
        Measurement("sends during an audit ÷ without", loaded / quiet, "", at_least=0.9),
        Measurement("turns of the audit", len(turns.rates[True]), "s"),
        Measurement(f"transfers and messages checked, of {TRANSFERS:,} each", turns.checked, ""),
    ]


async def _measure(url: str) -> Turns:
    async with db.connected(url, pool_size=20):
        pool = await db.add_pool(held=UNITS)
        tenants = [await db.add_client(pool, held=UNITS) for _ in range(ACCOUNTS)]
        filling = FILL.format(turns=TRANSFERS // ACCOUNTS, accounts=ACCOUNTS, units=UNITS)
        await fill_ledger(url, filling)
        acceptor = Acceptor(store)
        acceptor.start()
        turns, turn = Turns(), count()

        async def call() -> None:
            while True:
                result = await acceptor.accept(send_of(tenants[next(turn) % len(tenants)]))
                assert isinstance(result, AcceptedNow), result
                turns.sent += 1

        calling = [asyncio.create_task(call()) for _ in range(CALLERS)]

        def report(run: Audit) -> None:
            turns.checked = run.transfers_checked + run.messages_checked
            assert run.holds, run.violations

        run = await new_audit(store)
        auditing = asyncio.create_task(audit(turns, run, report=report))
        await turns.take(auditing)
        turns.gate.set()
        auditing.cancel()
        for each in calling:
            each.cancel()
        await asyncio.gather(auditing, *calling, return_exceptions=True)
        await acceptor.stop()
    return turns
