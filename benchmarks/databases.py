"""What benchmarks share: a durable database, server processes, and CPU time from the kernel.

CPU is the user and system time of these processes alone, without the rest of the machine:
two figures of one run can be compared even on a noisy machine.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from ibiki.local import embedded
from persistence.servers import credentials
from tests import db
from tests.end_to_end.program import clean_environment
from tests.persistence.months import live_for

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Build:
    """A checkout of the program, with the environment it is installed in."""

    path: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.path / ".venv" / "bin" / "python")


class _Ours(Build):
    @property
    def python(self) -> str:
        return sys.executable


OURS = _Ours(Path(__file__).parents[1])


def builds() -> list[Build]:
    """The build that is measured and, with `--against PATH`, the one that it is compared with."""
    against = os.environ.get("BENCH_AGAINST")
    return [OURS, Build(Path(against).resolve())] if against else [OURS]


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated, durable database in its own directory, for one build of the program."""

    directory: Path
    url: str
    build: Build

    @property
    def postgres_pid(self) -> int:
        """The server process; its children are the connections."""
        return int((self.directory / "postgres" / "postmaster.pid").read_text().split()[0])

    def cpu(self, *pids: int) -> float:
        """Seconds of CPU of PostgreSQL and of these processes so far."""
        return cpu_seconds([*pids, *with_children(self.postgres_pid)])


@contextmanager
def new_database(build: Build = OURS) -> Iterator[Database]:
    """An empty, migrated database, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="ibiki-bench-") as name:
        directory = Path(name)
        with embedded.start(directory) as running:
            subprocess.run(
                [build.python, "-m", "ibiki", "migrate", "--data", name],
                cwd=build.path,
                env=clean_environment(),
                check=True,
                capture_output=True,
            )
            if months := os.environ.get("BENCH_MONTHS"):
                asyncio.run(live_for(int(months), running.url))
            yield Database(directory, running.url, build)


@contextmanager
def program(database: Database, *arguments: str, **environment: str) -> Iterator[int]:
    """Starts a process of the program on that database. Yields its process ID."""
    log = (database.directory / "program.log").open("ab")
    process = subprocess.Popen(
        [database.build.python, "-m", "ibiki", *arguments, "--data", str(database.directory)],
        cwd=database.build.path,
        stdout=log,
        stderr=log,
        env=clean_environment() | {"LIMIT_REQUESTS_PER_SECOND": "1000000"} | environment,
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@contextmanager
def server(database: Database, **environment: str) -> Iterator[tuple[int, int]]:
    """Starts a server. Yields its process ID and its port when it answers."""
    port = free_port()
    with program(database, "serve", "--port", str(port), **environment) as pid:
        wait_for_port(port)
        yield pid, port


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes and of their ended children."""
    return sum(sum(_times(pid)) for pid in pids)


def with_children(pid: int) -> list[int]:
    """A process and its children that run now."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def peak_mib(pid: int) -> Callable[[], float]:
    """A function that returns the largest growth of the process's memory from now on.

    On Linux only.
    """
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # sets the recorded peak to the present value
    before = _mebibytes(pid, "VmRSS")
    return lambda: most_mebibytes(pid) - before


def most_mebibytes(pid: int) -> float:
    """The most memory that a process has taken so far."""
    return _mebibytes(pid, "VmHWM")


def _mebibytes(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def _times(pid: int) -> list[float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return [0.0]
    return [int(field) / TICKS for field in fields[11:15]]


@asynccontextmanager
async def own_connection(
    url: str, **chosen: str
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection for what takes longer than the program waits for an answer."""
    connection = await asyncpg.connect(**{**credentials(url), **chosen})
    try:
        yield connection
    finally:
        await connection.close()


async def fill_ledger(url: str, statements: str) -> None:
    """Fills the tables of sends as a superuser, and leaves them as autovacuum does."""
    async with own_connection(url, user="postgres") as connection:
        await connection.execute(statements)
        for table in ("send", "message", "transfer"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        await connection.execute("CHECKPOINT")


async def none_left(statement: str, *, within_seconds: float = 300.0) -> None:
    """Returns when this finds no row any more, because other processes have done their work."""
    async with asyncio.timeout(within_seconds):
        while await db.fetch(statement):  # noqa: ASYNC110 - another process changes the rows
            await asyncio.sleep(0.05)


def free_port() -> int:
    """A port of this machine that is not in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Returns when a server accepts connections there."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the server did not start")
