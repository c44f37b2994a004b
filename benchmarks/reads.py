"""Reads on a filled database, over HTTP: `python -m benchmarks reads --data DIR` after `fill`.

Each read is repeated on one connection, so that PostgreSQL also uses its generic plans. Without
arguments, as part of all benchmarks, a small database is filled and read.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template
from typing import Any
from uuid import UUID

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import machine, questions
from benchmarks.databases import OURS, Database, server
from benchmarks.fill import Size, fill
from benchmarks.measurement import Measurement
from benchmarks.questions import PAGE_MS, Question
from domain.identity.access import Actor, Everything, OfClient, Role, Scope
from domain.identity.api_keys import create_api_key
from domain.ids import Kind, encode, new_id
from domain.live import hints
from ibiki.local import embedded
from persistence import migrating, store
from persistence.dispatch.backlog import read_backlog
from persistence.identity.models import User
from persistence.ledger.pools import find_provider_account, pool_figures
from persistence.live.changes import recent_changes
from tests import db

TIMES = 20
MOST_SECONDS = 4.0
"""A read that is slow is repeated less often. `--seconds` sets another limit."""

SMALL = 100_000
BUSY = "SELECT client_id FROM send WHERE kind = 'BULK' ORDER BY id DESC LIMIT 1"
QUIET = "SELECT id FROM client ORDER BY id DESC LIMIT 1"
BULK = """
SELECT id FROM send WHERE $1::uuid IS NULL OR client_id = $1 ORDER BY accepted DESC, id LIMIT 1
"""
CONVERSATION = (
    "SELECT id, number FROM conversation WHERE $1::uuid IS NULL OR client_id = $1 LIMIT 1"
)
MIDDLE = """
SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM (
    SELECT now() - interval '182 days' + $1 * interval '1 day' AS at) AS each
"""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user who reads: a token, and the client whose rows are read."""

    name: str
    token: str
    questions: Sequence[Question]
    client_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """The time of one read. `cpu_ms`: of the server and PostgreSQL, whatever the other load is."""

    viewer: str
    question: Question
    p50_ms: float
    p95_ms: float
    cpu_ms: float

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.p95_ms <= self.question.goal_ms


def command(arguments: Sequence[str]) -> None:
    """Runs `python -m benchmarks reads` on a filled database."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reads")
    parser.add_argument("--data", type=Path, required=True, help="the directory that was filled")
    parser.add_argument("--only", default="", help="reads whose name contains this")
    parser.add_argument("--missed", action="store_true", help="print only missed goals")
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="for each read")
    given = parser.parse_args(arguments)
    with machine.watched() as beside:
        figures = list(read(given.data, only=given.only, seconds=given.seconds))
    table = Table("reader", "read", "p50", "p95", "goal", "CPU, ms", title=machine.name())
    for each in figures:
        colour = "green" if each.met else "red"
        if not (given.missed and each.met):
            p95 = f"[{colour}]{each.p95_ms:,.1f}[/]"
            goal, cpu = str(each.question.goal_ms), f"{each.cpu_ms:,.1f}"
            table.add_row(each.viewer, each.question.name, f"{each.p50_ms:,.1f}", p95, goal, cpu)
    Console(width=100).print(table)
    missed = sum(not each.met for each in figures)
    print(f"{len(figures)} reads, {missed} goals missed.")
    print(*(f"{each.what}: {each.value:.3g} {each.unit}" for each in beside), sep="\n")


def main() -> list[Measurement]:
    """The slowest page and the slowest search of a small database."""
    with tempfile.TemporaryDirectory(prefix="ibiki-bench-") as name:
        fill(Path(name), Size(SMALL, SMALL // 10))
        figures = list(read(Path(name)))
    return [
        Measurement(
            f"slowest of {kind}, p95, {SMALL:,} messages",
            max(each.p95_ms for each in figures if each.question.goal_ms == goal_ms),
            "ms",
            at_most=goal_ms,
        )
        for kind, goal_ms in (("pages", PAGE_MS), ("searches", questions.SEARCH_MS))
    ]


def read(directory: Path, *, only: str = "", seconds: float = MOST_SECONDS) -> Iterator[Figure]:
    """Measures each read of each viewer."""
    with embedded.start(directory) as running:
        asyncio.run(migrating.migrate(running.url))
        database = Database(directory, running.url, OURS)
        with server(database) as (pid, port):
            yield from asyncio.run(_measure(database, pid, port, only, seconds))


async def _measure(
    database: Database, pid: int, port: int, only: str, seconds: float
) -> list[Figure]:
    figures = []
    cpu = partial(database.cpu, pid)
    async with db.connected(database.url), httpx.AsyncClient(timeout=120) as http:
        for viewer in await _viewers():
            values = await _values(http, port, viewer)
            for question in viewer.questions:
                if only in f"{viewer.name} {question.name}":
                    document = Template(question.document).substitute(values)
                    ask = _asking(http, port, viewer.token, document)
                    figures.append(await _timed(viewer.name, question, ask, cpu, seconds))
            figures += [
                await _timed(viewer.name, Question(name, ""), work, cpu, seconds)
                for name, work in _inside(viewer).items()
                if only in f"{viewer.name} {name}"
            ]
    return figures


async def _viewers() -> list[Viewer]:
    [busy], [quiet] = await db.fetch(BUSY), await db.fetch(QUIET)
    [group] = await db.fetch("SELECT id FROM client_group LIMIT 1")
    busy_id, quiet_id = busy["client_id"], quiet["id"]
    both = questions.of_both()
    return [
        Viewer("large client", await _token(Role.CLIENT, client_id=busy_id), both, busy_id),
        Viewer("small client", await _token(Role.CLIENT, client_id=quiet_id), both, quiet_id),
        Viewer(
            "supervisor",
            await _token(Role.SUPERVISOR, group_id=group["id"]),
            questions.of_supervisor(),
        ),
        Viewer("admin", await _token(Role.ADMIN), [*both, *questions.of_admin()]),
    ]


async def _token(role: Role, *, client_id: UUID | None = None, group_id: UUID | None = None) -> str:
    user_id = new_id()
    await User.create(
        id=user_id,
        email=f"{user_id.hex}@ibiki.test",
        password_hash="-",
        role=role.value,
        client_id=client_id,
        group_id=group_id,
    )
    actor = Actor(user_id, role, credential_id=user_id, client_id=client_id)
    return (await create_api_key(store, actor, name="benchmark")).secret


async def _values(http: httpx.AsyncClient, port: int, viewer: Viewer) -> Mapping[str, str]:
    """The values for the documents: IDs, and a cursor in the middle of the year."""
    times = {}
    for name, day in (("early", 0), ("late", 1), ("month", -29)):
        [row] = await db.fetch(MIDDLE, day)
        times[name] = str(row["to_char"])
    [bulk] = await db.fetch(BULK, viewer.client_id)
    [conversation] = await db.fetch(CONVERSATION, viewer.client_id)
    [client] = await db.fetch(BUSY)
    middle = f'filter: {{createdBefore: "{times["late"]}"}}'
    # The cursors of all lists by ID are alike.
    document = questions.page("sends", "id", middle, "first: 1")
    after = ""
    if viewer.name != "supervisor":
        answer = await _asking(http, port, viewer.token, document)()
        after = answer["data"]["sends"]["pageInfo"]["endCursor"]
    return times | {
        "bulk": encode(Kind.SEND, bulk["id"]),
        "conversation": encode(Kind.CONVERSATION, conversation["id"]),
        "number": conversation["number"],
        "digits": conversation["number"][-6:],
        "client": encode(Kind.CLIENT, client["client_id"]),
        "after": after,
    }


def _asking(
    http: httpx.AsyncClient, port: int, token: str, document: str
) -> Callable[[], Awaitable[Any]]:
    async def ask() -> Any:
        answer = await http.post(
            f"http://127.0.0.1:{port}/graphql",
            json={"query": document},
            headers={"authorization": f"Bearer {token}"},
        )
        return answer.json()

    return ask


def _inside(viewer: Viewer) -> dict[str, Callable[[], Awaitable[object]]]:
    """Reads without a document: the start of subscriptions, /metrics, and what sync reads."""
    if viewer.name == "supervisor":
        return {}
    scope: Scope = Everything() if viewer.client_id is None else OfClient(viewer.client_id)

    def changes(kind: bytes) -> Callable[[], Awaitable[object]]:
        return lambda: _first_changes(scope, kind)

    works: dict[str, Callable[[], Awaitable[object]]] = {
        "messageUpdated: start": changes(hints.MESSAGE),
        "conversationUpdated: start": changes(hints.CONVERSATION),
    }
    if viewer.client_id is None:
        works |= {
            "webhookReceived: start": changes(hints.EVENT),
            "/metrics": read_backlog,
            "sync: figures under the lock": _figures_of_sync,
        }
    return works


async def _first_changes(scope: Scope, kind: bytes) -> None:
    ids = await recent_changes(scope, kind, 5.0)
    await store.find_changes([scope], kind, ids)


async def _figures_of_sync() -> None:
    account = await find_provider_account(None)
    async with store.transaction() as tx:
        await pool_figures(tx, account.id)


async def _timed(
    viewer: str,
    question: Question,
    work: Callable[[], Awaitable[object]],
    cpu: Callable[[], float],
    seconds: float,
) -> Figure:
    taken: list[float] = []
    before, began = cpu(), time.perf_counter()
    while len(taken) < TIMES and (time.perf_counter() - began < seconds or len(taken) < 2):
        start = time.perf_counter()
        answer = await work()
        taken.append(1000 * (time.perf_counter() - start))
        if isinstance(answer, dict) and answer.get("errors"):
            print(viewer, question.name, answer["errors"][0]["message"], flush=True)
            break
    # So a run that is interrupted has printed something.
    print(f"{viewer}: {question.name}: {statistics.median(taken):.1f} ms", flush=True)
    at_95 = sorted(taken)[-(-len(taken) * 95 // 100) - 1]
    cpu_ms = 1000 * (cpu() - before) / len(taken)
    return Figure(viewer, question, statistics.median(taken), at_95, cpu_ms)
