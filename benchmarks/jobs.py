"""A file of 1,000,000 rows that becomes a job: its answer, its memory, other sends, and a kill -9.

The file is sent for a later time, so that all of it is written at once: the dispatcher does not
limit what is measured. BENCH_ROWS is the number of rows.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson

from benchmarks.databases import (
    Database,
    most_mebibytes,
    new_database,
    none_left,
    program,
    server,
    with_children,
)
from benchmarks.load import ask_once, post, request
from benchmarks.measurement import Measurement, timed
from benchmarks.send import sends_of
from benchmarks.tenants import add_tenants
from domain.ledger.audit import audit, new_audit
from persistence import store
from tests import db

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
UNITS = 100_000_000
PAUSE_SECONDS = 0.05
MOST_MEBIBYTES = 250

SEND = """mutation ($input: CsvSendInput!) { csvSend(input: $input) {
  __typename ... on Send { id accepted } ... on UserError { message } } }"""
CANCEL = """mutation ($input: CancelSendInput!) { cancelSend(input: $input) {
  __typename ... on Send { charged } ... on UserError { message } } }"""
UNWRITTEN = "SELECT coalesce(sum(unwritten), 0)::int8 AS left FROM send_job"
MORE_UNWRITTEN = "SELECT FROM send_job HAVING sum(unwritten) > {}"


def main() -> list[Measurement]:
    """One file: uploaded, charged, written by two processes one after the other, cancelled."""
    with new_database() as database:
        return asyncio.run(_measured(database))


async def _measured(database: Database) -> list[Measurement]:
    own, *others = await add_tenants(database.url, 20, units=UNITS)
    with server(database) as (serving, port):
        async with db.connected(database.url, pool_size=4):
            upload, uploading = await timed(_asked(port, post(own, "/uploads", _file())))
            at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
            text = "Dear {{name}}, no school today."
            given = {"uploadId": upload["uploadId"], "text": text, "sendAt": at}
            async with _singles(port, others) as alone:
                await asyncio.sleep(5)
            async with _singles(port, others) as beside, _watched(serving) as checked_with:
                answer, checking = await timed(_asked(port, request(own, SEND, {"input": given})))
            sent = answer["data"]["csvSend"]
            assert sent["accepted"] == ROWS, answer
            async with _singles(port, others) as beside_writing:
                began = time.perf_counter()
                with program(database, "dispatch") as first:
                    await none_left(MORE_UNWRITTEN.format(ROWS // 2))
                    most_writing = most_mebibytes(first)
                    os.kill(first, signal.SIGKILL)
                killed_with = (await db.fetch(UNWRITTEN))[0]["left"]
                with program(database, "dispatch") as second:
                    await none_left(MORE_UNWRITTEN.format(0))
                    writing = time.perf_counter() - began
                    most_writing = max(most_writing, most_mebibytes(second))
            run, auditing = await timed(audit(store, await new_audit(store), rest=0))
            assert run.holds, run.violations
            assert 0 < killed_with < ROWS
            given = {"sendId": sent["id"]}
            cancelled, cancelling = await timed(
                _asked(port, request(own, CANCEL, {"input": given}))
            )
            assert cancelled["data"]["cancelSend"]["charged"] == 0, cancelled
            run = await audit(store, await new_audit(store), rest=0)
            assert run.holds, run.violations
        most_serving = most_mebibytes(serving)
    return [
        Measurement(f"uploading {ROWS:,} rows", uploading, "s"),
        Measurement("csvSend, until its answer", checking, "s"),
        Measurement("written, with a kill -9 in the middle", writing, "s"),
        Measurement("memory of serve, at most", most_serving, "MiB", at_most=MOST_MEBIBYTES),
        Measurement(
            "memory of the check, at most", max(checked_with), "MiB", at_most=MOST_MEBIBYTES
        ),
        Measurement("memory of dispatch, at most", most_writing, "MiB", at_most=MOST_MEBIBYTES),
        Measurement("other singles, p99, alone", _p99_ms(alone), "ms"),
        Measurement("other singles, p99, during the check", _p99_ms(beside), "ms", at_most=250),
        Measurement(
            "other singles, p99, while it is written", _p99_ms(beside_writing), "ms", at_most=250
        ),
        Measurement("audit of it", auditing, "s"),
        Measurement("cancelSend of all", cancelling, "s"),
    ]


def _file() -> bytes:
    numbers = enumerate(db.generated_numbers(ROWS))
    return b"phone,name\n" + b"".join(b"%b,Name %d\n" % (n.encode(), at) for at, n in numbers)


async def _asked(port: int, requested: bytes) -> Any:
    return orjson.loads(await ask_once(port, requested))


@asynccontextmanager
async def _singles(port: int, tokens: list[str]) -> AsyncIterator[list[float]]:
    """Sends twenty single messages a second meanwhile. Returns the seconds that each took."""
    latencies: list[float] = []
    make = sends_of(tokens)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        for number in count():
            began = time.perf_counter()
            writer.write(make(number))
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            assert b'"Send"' in await reader.readexactly(int(length))
            latencies.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_SECONDS)

    task = asyncio.create_task(send())
    try:
        yield latencies
    finally:
        task.cancel()
        writer.close()


@asynccontextmanager
async def _watched(pid: int) -> AsyncIterator[list[float]]:
    """The most memory that each of its child processes has taken so far, again and again."""
    seen: list[float] = []

    async def watch() -> None:
        while True:
            for child in with_children(pid)[1:]:
                with suppress(OSError, IndexError):  # it has ended
                    seen.append(most_mebibytes(child))
            await asyncio.sleep(0.2)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()


def _p99_ms(latencies: list[float]) -> float:
    return 1000 * sorted(latencies)[int(len(latencies) * 0.99)]
