"""Webhooks of clients: 1,000 events a second for 100 endpoints, of which 10 never answer.

A dispatcher posts them to a receiver in this process, on a durable database. Also what the trigger
that writes deliveries costs a client that has no endpoint.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson
from cryptography.fernet import Fernet

from benchmarks.databases import Database, cpu_seconds, new_database, program
from benchmarks.measurement import Measurement
from benchmarks.provider import listening
from domain.hooks.addresses import AddressRules
from domain.hooks.changes import Hooks
from domain.hooks.deliveries import EventType
from ibiki.encryption import FernetCipher
from persistence import store
from tests import db

ENDPOINTS, HANGING = 100, 10
PER_SECOND, SECONDS, STEP_SECONDS = 1_000, 8, 0.1
CHANGES = 100_000
LATEST_SECONDS = 2.0

FILL = """
WITH made AS (
    SELECT gen_random_uuid() AS id, client.id AS client_id, account.provider_account_id
    FROM client JOIN account ON account.id = client.account_id, generate_series(1, $2::int8)
    WHERE client.id = ANY($1::uuid[])
), sent AS (
    INSERT INTO send (id, client_id, account_id, provider_account_id, kind, text, price, accepted,
                      rejected_count)
    SELECT id, client_id, id, provider_account_id, 'SINGLE', 'Good morning', 1, 1, 0 FROM made
)
INSERT INTO message (id, send_id, client_id, provider_account_id, number, status, attempt_id,
                     attempts, priority, price, due_at)
SELECT id, id, client_id, provider_account_id, '+12025550123', 'SUBMITTING', id, 1, 1, 1, now()
FROM made
"""
SEND = """
UPDATE message SET status = 'SENT', updated_at = clock_timestamp()
WHERE id = ANY($1::uuid[])
"""
CHANGE = "UPDATE message SET status = $1, updated_at = clock_timestamp() WHERE status <> $1"


def main() -> list[Measurement]:
    """How late events arrive at the endpoints that answer, and what they cost."""
    key = Fernet.generate_key().decode()
    with new_database() as database:
        cost = asyncio.run(_cost_of_the_trigger(database))
        with program(database, "dispatch", ENCRYPTION_KEYS=key) as worker:
            delivered = asyncio.run(_delivered(database, key, worker))
    return [*delivered, cost]


@dataclass
class Receiver:
    """The received events: for each path, the seconds from each event to its arrival."""

    late: dict[str, list[float]] = field(default_factory=dict)

    def answer(self, _method: str, path: str, body: bytes) -> bytes | None:
        """The response to one event."""
        happened = datetime.fromisoformat(orjson.loads(body)["createdAt"]).timestamp()
        self.late.setdefault(path, []).append(time.time() - happened)
        return b"HTTP/1.1 204 No Content\r\n\r\n" if _answers(path) else None

    @property
    def at_good_ones(self) -> list[float]:
        """The seconds of all endpoints that answer."""
        return [each for path, late in self.late.items() if _answers(path) for each in late]


async def _delivered(database: Database, key: str, worker: int) -> list[Measurement]:
    receiver = Receiver()
    async with db.connected(database.url), listening(receiver.answer) as port:
        clients = await _add_clients(port, key)
        await db.execute(FILL, clients, PER_SECOND * SECONDS // ENDPOINTS)
        rows = await db.fetch("SELECT id FROM message ORDER BY random()")
        messages, step = [row["id"] for row in rows], int(PER_SECOND * STEP_SECONDS)
        before, began = _cpu(database, worker), time.perf_counter()
        for turn in range(int(SECONDS / STEP_SECONDS)):
            await db.execute(SEND, messages[turn * step : (turn + 1) * step])
            until_next = began + (turn + 1) * STEP_SECONDS - time.perf_counter()
            await asyncio.sleep(max(until_next, 0))
        took = time.perf_counter() - began
        wanted = PER_SECOND * SECONDS * (ENDPOINTS - HANGING) // ENDPOINTS
        async with asyncio.timeout(15):
            while len(receiver.at_good_ones) < wanted:  # noqa: ASYNC110 - another process sends them
                await asyncio.sleep(0.05)
        late = sorted(receiver.at_good_ones)
        cpu = [
            (now - then) * 1e6 / len(late)
            for now, then in zip(_cpu(database, worker), before, strict=True)
        ]
    return [
        Measurement("events", PER_SECOND * SECONDS / took, "events/s"),
        Measurement("90 endpoints that answer, p50", late[len(late) // 2] * 1000, "ms"),
        Measurement("the same, p99", late[len(late) * 99 // 100] * 1000, "ms"),
        Measurement("the same, slowest", late[-1], "s", at_most=LATEST_SECONDS),
        Measurement("dispatcher, CPU", cpu[0], "µs a delivery"),
        Measurement("PostgreSQL, CPU", cpu[1], "µs a delivery"),
    ]


async def _add_clients(port: int, key: str) -> list[UUID]:
    pool = await db.add_pool(held=0)
    hooks = Hooks(store, FernetCipher([key]), AddressRules(loopback=True))
    clients = []
    for number in range(ENDPOINTS):
        tenant = await db.add_client(pool, held=0, name=f"C{number}")
        path = f"hangs/{number}" if number < HANGING else f"answers/{number}"
        await hooks.create(
            tenant.actor,
            client_id=None,
            url=f"http://127.0.0.1:{port}/{path}",
            events=[EventType.MESSAGE_UPDATED],
            description=None,
        )
        clients.append(tenant.client_id)
    return clients


async def _cost_of_the_trigger(database: Database) -> Measurement:
    """Best of three for each: with the trigger, and without."""
    async with db.connected(database.url):
        pool = await db.add_pool(held=0, default=False)
        tenant = await db.add_client(pool, held=0)
        await db.execute(FILL, [tenant.client_id], CHANGES)
        took = {True: [1e9], False: [1e9]}
        for turn in range(6):
            enabled = turn % 2 == 0
            word = "ENABLE" if enabled else "DISABLE"
            await db.execute(f"ALTER TABLE message {word} TRIGGER message_hooked")
            began = time.perf_counter()
            await db.execute(CHANGE, "DELIVERED" if enabled else "SENT")
            took[enabled].append(time.perf_counter() - began)
        await db.execute("ALTER TABLE message ENABLE TRIGGER message_hooked")
        await db.execute("DELETE FROM message")
    cost = (min(took[True]) - min(took[False])) * 1e6 / CHANGES
    return Measurement("the trigger, for a client without endpoints", cost, "µs a change")


def _answers(path: str) -> bool:
    return path.startswith("/answers/")


def _cpu(database: Database, worker: int) -> tuple[float, float]:
    """CPU seconds of the dispatcher and of PostgreSQL."""
    return cpu_seconds([worker]), database.cpu()
