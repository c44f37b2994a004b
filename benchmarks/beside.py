"""Single sends of other clients beside 1,000,000 messages of ten large sends.

200 clients, each send with its own idempotency key and number, one server process, one
dispatcher, a provider that answers after 100 ms, and the embedded PostgreSQL with the sizes that
the program sets. 40 singles a second are planned at fixed times. Their time counts from then, so
that a wait before the call counts, too. Ten clients send to 100,000 numbers each at the same
moment: as bulkSend, then as csvSend.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import orjson

from benchmarks.databases import Build, Database, builds, new_database, none_left, server
from benchmarks.dispatch import dispatcher
from benchmarks.load import Run, ask_once, load, post, request
from benchmarks.measurement import Measurement, compared, timed
from benchmarks.provider import answering
from benchmarks.send import BULK_SEND
from benchmarks.tenants import tenants_of
from benchmarks.work import BULK, sends
from tests import db

TENANTS = 200
UNITS = 100_000_000
LARGE = 10
PER_SECOND = 40
CONNECTIONS = 64
CALM_SECONDS = 5.0
FIRST_SECONDS = 10.0
DRAIN_SECONDS = 20.0
PROVIDER_SECONDS = 0.1

CSV_SEND = """mutation ($input: CsvSendInput!) { csvSend(input: $input) {
  __typename ... on Send { id accepted charged } ... on UserError { message } } }"""

SENT_SECONDS = """
SELECT extract(epoch FROM message.updated_at - message.created_at)::float8 AS seconds
FROM send JOIN message ON message.send_id = send.id
WHERE kind = 'SINGLE' AND send.created_at BETWEEN to_timestamp($1) AND to_timestamp($2)
ORDER BY 1
"""

SINGLES_WAIT = """
SELECT FROM message
WHERE priority = 1 AND status IN ('QUEUED', 'SUBMITTING') AND send_id IN (
    SELECT id FROM send WHERE kind = 'SINGLE' ORDER BY id DESC LIMIT 2000) LIMIT 1
"""

Large = Callable[[int, Sequence[str]], Coroutine[None, None, None]]
"""Prepares the large sends of these clients. What it returns sends them."""


def main() -> list[Measurement]:
    """How long a single takes to be accepted and to be SENT: calm, and beside large sends."""
    return [
        each
        for name, large in KINDS.items()
        for each in compared(builds(), partial(_measured, name=name, large=large), rounds=1)
    ]


def _measured(build: Build, *, name: str, large: Large) -> list[Measurement]:
    with new_database(build) as database:
        tokens = tenants_of(database, TENANTS, units=UNITS)
        with server(database) as (_, port):
            return asyncio.run(_measure(database, port, tokens, name, large))


async def _measure(
    database: Database, port: int, tokens: Sequence[str], name: str, large: Large
) -> list[Measurement]:
    singles = partial(
        load,
        [port],
        sends(tokens[LARGE:]),
        connections=CONNECTIONS,
        expect=b'"__typename":"Send"',
        per_second=PER_SECOND,
    )
    async with AsyncExitStack() as opened:
        provider = await opened.enter_async_context(answering(after_seconds=PROVIDER_SECONDS))
        opened.enter_context(dispatcher(database, provider))
        await opened.enter_async_context(db.connected(database.url, pool_size=2))
        await singles(seconds=1.0)
        await none_left(SINGLES_WAIT)  # the dispatcher has started
        large_sends = large(port, tokens[:LARGE])
        # What this process does by itself would delay its singles: a full collection takes 0.1 s.
        gc.collect()
        gc.freeze()
        calm_at = time.time()
        calm = await singles(seconds=CALM_SECONDS)
        large_at = time.time()
        sending = asyncio.create_task(timed(large_sends))
        beside = await singles(seconds=FIRST_SECONDS)
        _, large_seconds = await sending
        drain_at, taken = time.time(), provider.taken
        draining = await singles(seconds=DRAIN_SECONDS)
        rate = (provider.taken - taken) / (time.time() - drain_at)
        left = await _queued()
        await none_left(SINGLES_WAIT)
        return [
            *_accepted("calm", calm),
            *await _sent("calm", calm_at, large_at),
            *_accepted(f"first 10 s of {name}", beside, at_most_ms=250),
            *await _sent(f"first 10 s of {name}", large_at, large_at + FIRST_SECONDS),
            Measurement(f"{name}: accepted after", large_seconds, "s"),
            *_accepted(f"{name}, draining", draining, at_most_ms=250),
            *await _sent(f"{name}, draining", drain_at, drain_at + DRAIN_SECONDS, at_most=1),
            Measurement(f"{name}: draining", rate, "messages/s"),
            Measurement(f"{name}: still queued at the end", left, "messages"),
        ]


def _bulks(port: int, tokens: Sequence[str]) -> Coroutine[None, None, None]:
    numbers = [f"+1202{2_000_000 + each}" for each in range(BULK)]
    requested = [
        request(
            token,
            BULK_SEND,
            {"input": {"to": numbers, "text": "Good morning", "idempotencyKey": f"bulk-{at}"}},
        )
        for at, token in enumerate(tokens)
    ]
    return _all(ask_once(port, each, b'"accepted":%d' % BULK) for each in requested)


def _files(port: int, tokens: Sequence[str]) -> Coroutine[None, None, None]:
    file = b"phone,name\n" + b"".join(b"+1202%d,Name\n" % (2_000_000 + n) for n in range(BULK))
    return _all(_file(port, token, file) for token in tokens)


async def _all(sends: Iterable[Awaitable[object]]) -> None:
    await asyncio.gather(*sends)


async def _file(port: int, token: str, file: bytes) -> None:
    answer = await ask_once(port, post(token, "/uploads", file), b'"uploadId"')
    upload = orjson.loads(answer)["uploadId"]
    given = {"uploadId": upload, "text": "Dear {{name}}, good morning", "idempotencyKey": "file"}
    await ask_once(port, request(token, CSV_SEND, {"input": given}), b'"accepted":%d' % BULK)


KINDS: dict[str, Large] = {"ten bulks of 100,000": _bulks, "ten files of 100,000": _files}


def _accepted(when: str, run: Run, at_most_ms: float | None = None) -> list[Measurement]:
    return [
        Measurement(f"{when}: a single is accepted, p50", run.percentile_ms(50), "ms"),
        Measurement(
            f"{when}: a single is accepted, p99", run.percentile_ms(99), "ms", at_most=at_most_ms
        ),
    ]


async def _sent(
    when: str, begin: float, end: float, at_most: float | None = None
) -> list[Measurement]:
    """Seconds from the acceptance of a single to its outcome, for those accepted in that time."""
    rows = await db.fetch(SENT_SECONDS, begin, end)
    seconds = [row["seconds"] for row in rows]
    p50, p99 = (seconds[int(len(seconds) * part)] for part in (0.5, 0.99))
    return [
        Measurement(f"{when}: a single is SENT, p50", p50, "s"),
        Measurement(f"{when}: a single is SENT, p99", p99, "s", at_most=at_most),
    ]


async def _queued() -> int:
    [row] = await db.fetch("SELECT count(*) AS n FROM message WHERE status = 'QUEUED'")
    return int(row["n"])
