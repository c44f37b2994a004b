"""A file of 1,000,000 rows that becomes a job: its answer, its memory, other sends, and a kill -9.

The file is sent for a later time, so that all of it is written at once: the dispatcher does not
limit what is measured. BENCH_ROWS is the number of rows.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from benchmarks.databases import Database, new_database, program, server, with_children
from benchmarks.measurement import Measurement
from benchmarks.send import sends_of
from benchmarks.tenants import add_tenants
from domain.ledger.audit import audit, new_audit
from persistence import store
from tests import db

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
UNITS = 100_000_000
PAUSE_SECONDS = 0.05
WAIT_SECONDS = 400.0
MOST_MEBIBYTES = 250

SEND = """mutation ($input: CsvSendInput!) { csvSend(input: $input) {
  __typename ... on Send { id accepted } ... on UserError { message } } }"""
CANCEL = """mutation ($input: CancelSendInput!) { cancelSend(input: $input) {
  __typename ... on Send { charged } ... on UserError { message } } }"""
UNWRITTEN = "SELECT coalesce(sum(unwritten), 0)::int8 AS left FROM send_job"

Result = TypeVar("Result")


def main() -> list[Measurement]:
    """One file: uploaded, charged, written by two processes one after the other, cancelled."""
    with new_database() as database:
        return asyncio.run(_measured(database))


async def _measured(database: Database) -> list[Measurement]:
    own, *others = await add_tenants(database.url, 20, units=UNITS)
    with server(database) as (serving, port):
        async with db.connected(database.url, pool_size=4):
            with _file() as file:
                upload, uploading = await _timed(_upload(port, own, file))
            at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
            given = {"uploadId": upload, "text": "Dear {{name}}, no school today.", "sendAt": at}
            async with _singles(port, others) as alone:
                await asyncio.sleep(5)
            async with _singles(port, others) as beside, _watched(serving) as checked_with:
                answer, checking = await _timed(_ask(port, own, SEND, {"input": given}))
            sent = answer["data"]["csvSend"]
            assert sent["accepted"] == ROWS, answer
            async with _singles(port, others) as beside_writing:
                began = time.perf_counter()
                with program(database, "dispatch") as first:
                    await _left(ROWS // 2)
                    most_writing = _most_mebibytes(first)
                    os.kill(first, signal.SIGKILL)
                killed_with = (await db.fetch(UNWRITTEN))[0]["left"]
                with program(database, "dispatch") as second:
                    await _left(0)
                    writing = time.perf_counter() - began
                    most_writing = max(most_writing, _most_mebibytes(second))
            (run, auditing) = await _timed(audit(store, await new_audit(store), rest=0))
            assert run.holds, run.violations
            assert 0 < killed_with < ROWS
            cancelled, cancelling = await _timed(
                _ask(port, own, CANCEL, {"input": {"sendId": sent["id"]}})
            )
            assert cancelled["data"]["cancelSend"]["charged"] == 0, cancelled
            run = await audit(store, await new_audit(store), rest=0)
            assert run.holds, run.violations
        most_serving = _most_mebibytes(serving)
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


def _file() -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(b"phone,name\n")
    for at, number in enumerate(db.generated_numbers(ROWS)):
        file.write(f"{number},Name {at}\n".encode())
    file.seek(0)
    return file


async def _upload(port: int, token: str, file: IO[bytes]) -> str:
    answer = await _post(port, token, "/uploads", file.read(), "text/csv")
    return str(answer["uploadId"])


async def _ask(port: int, token: str, query: str, variables: object) -> Any:
    body = orjson.dumps({"query": query, "variables": variables})
    return await _post(port, token, "/graphql", body, "application/json")


async def _post(port: int, token: str, path: str, body: bytes, kind: str) -> Any:
    def post() -> bytes:
        requested = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}",
            body,
            {"Authorization": f"Bearer {token}", "Content-Type": kind},
        )
        with urllib.request.urlopen(requested, timeout=WAIT_SECONDS) as answer:
            return bytes(answer.read())

    return orjson.loads(await asyncio.to_thread(post))


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


async def _left(rows: int) -> None:
    """Returns when at most this many messages are not written."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (await db.fetch(UNWRITTEN))[0]["left"] > rows:  # noqa: ASYNC110 - another process writes them
            await asyncio.sleep(0.05)


async def _timed(work: Awaitable[Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    return await work, time.perf_counter() - began


def _most_mebibytes(pid: int) -> float:
    """The most memory that a process has taken so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@asynccontextmanager
async def _watched(pid: int) -> AsyncIterator[list[float]]:
    """The most memory that each of its child processes has taken so far, again and again."""
    seen: list[float] = []

    async def watch() -> None:
        while True:
            for child in with_children(pid)[1:]:
                with suppress(OSError, IndexError):  # it has ended
                    seen.append(_most_mebibytes(child))
            await asyncio.sleep(0.2)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()


def _p99_ms(latencies: list[float]) -> float:
    return 1000 * sorted(latencies)[int(len(latencies) * 0.99)]
