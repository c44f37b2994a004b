"""Events of providers: a server stores them, a dispatcher receives them, on a durable database.

Phones of two tenants write over one line at the same time. At the end, every event that was
answered must be in the right inbox.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count

from benchmarks.databases import new_database, none_left, program, server
from benchmarks.load import Run, load, post
from benchmarks.measurement import Measurement
from tests import db

CONNECTIONS = 64
SECONDS = 6.0
WARM_UP_SECONDS = 1.5
NUMBERS = ("+12025550111", "+12025550112")
PHONES = 90
QUICK = {"WEBHOOK_REQUESTS_PER_SECOND": "1000000", "WEBHOOK_SECRET": "benchmark"}
WRONG = """
SELECT count(*) AS messages FROM inbound JOIN assigned_number ON assigned_number.number = receiver
WHERE inbound.client_id <> assigned_number.client_id
"""


def main() -> list[Measurement]:
    """The CPU of an event from its first byte to its inbox, and the time until it is answered."""
    with new_database() as database:
        asyncio.run(_add_tenants(database.url))
        events = _events()
        with (
            server(database, **QUICK) as (pid, port),
            program(database, "dispatch", **QUICK) as worker,
        ):
            warm_up = asyncio.run(_load(port, events, WARM_UP_SECONDS))
            asyncio.run(_all_received(database.url))
            before = database.cpu(pid, worker)
            began = time.perf_counter()
            run = asyncio.run(_load(port, events, SECONDS))
            asyncio.run(_all_received(database.url))
            received = time.perf_counter() - began
            cpu = (database.cpu(pid, worker) - before) * 1e6 / run.answers
        inboxes, wrong = asyncio.run(_inboxes(database.url))
    lost = warm_up.answers + run.answers - inboxes
    return [
        Measurement("events answered", run.per_second, "events/s"),
        Measurement("answer, p50", run.percentile_ms(50), "ms"),
        Measurement("answer, p99", run.percentile_ms(99), "ms"),
        Measurement("events in their inbox", run.answers / received, "events/s"),
        # The CPU that two cores have for each of 10,000 events in 10 s.
        Measurement("all processes, CPU", cpu, "µs an event", at_most=2_000),
        Measurement("answered, and in no inbox", lost, "events", at_most=0),
        Measurement("in another's inbox", wrong, "events", at_most=0),
    ]


async def _load(port: int, events: Callable[[int], bytes], seconds: float) -> Run:
    return await load(
        [port], events, connections=CONNECTIONS, seconds=seconds, expect=b'"received"'
    )


async def _add_tenants(url: str) -> None:
    async with db.connected(url):
        pool = await db.add_pool(held=0)
        for number in NUMBERS:
            tenant = await db.add_client(pool, held=0, name=number)
            await db.execute(
                "INSERT INTO assigned_number (number, client_id) VALUES ($1, $2)",
                number,
                tenant.client_id,
            )


async def _all_received(url: str) -> None:
    async with db.connected(url):
        await none_left("SELECT FROM webhook_event WHERE due_at IS NOT NULL LIMIT 1")


async def _inboxes(url: str) -> tuple[int, int]:
    """Messages in inboxes, and those in a wrong one."""
    async with db.connected(url):
        found = await db.fetch("SELECT count(*) AS messages FROM inbound")
        wrong = await db.fetch(WRONG)
    return int(found[0]["messages"]), int(wrong[0]["messages"])


def _events() -> Callable[[int], bytes]:
    turn = count()

    def make(_number: int) -> bytes:
        number = next(turn)
        call = {
            "from": f"+12025550{100 + number % PHONES}",
            "message": f"event {number}",
            "status": "received",
            "receiver": NUMBERS[number % 2],
            "usedmodem": "shared",
            "port": "1",
            "timestamp": "2026-11-20T08:30:00Z",
            "messageId": f"{number:024x}",
        }
        secret = "x-webhook-secret: benchmark\r\n"
        return post("none", "/api/webhook/extreme", call, headers=secret)

    return make
