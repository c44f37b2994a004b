"""An embedded PostgreSQL that a test can stop, kill, suspend and disconnect."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from ibiki.local.cluster import Cluster, locate
from tests.clocks import PATIENCE_SECONDS
from tests.faults.programs import children_of, signal_all
from tests.faults.standby import base_backup

CREATE = "CREATE ROLE ibiki LOGIN; \nCREATE DATABASE ibiki OWNER ibiki;\n"

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'ibiki'"
CUT_ALL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = 'ibiki' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class _ClusterWithEnvironment(Cluster):
    """A cluster whose programs get additional environment variables."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, program: str, *arguments: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of the programs of PostgreSQL."""
        return super().run(program, *arguments, env=self.environment, **options)


class Postgres:
    """One server in a directory. `deadlocks` also counts those from before a restart."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        found = locate(directory, durable=False)
        known = {each.name: getattr(found, each.name) for each in fields(found)}
        self._cluster = _ClusterWithEnvironment(**known, environment=environment)
        self._deadlocks_before = 0

    @property
    def socket(self) -> Path:
        """The socket that it listens on."""
        return self._cluster.sockets / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        """The address for the application, without a proxy."""
        return self._url("ibiki", "ibiki")

    def become(self, other: Postgres) -> None:
        """From now on, this object is the other server, as an address is after a failover."""
        self._cluster = other._cluster

    def create(self) -> None:
        """Creates and starts a new cluster with the application's role and database."""
        self._cluster.ensure_created()
        self._cluster.ensure_running()
        self._cluster.execute(CREATE)

    def copy(self, other: Postgres, primary: str) -> None:
        """Makes this server a copy of the other one. When it is started, it follows the primary.

        `primary`: how to connect to it, as libpq writes it.
        """
        base_backup(other._cluster, self._cluster.directory, "--write-recovery-conf")
        with (self._cluster.path / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{primary}'\n")  # the last line of a name counts

    async def ensure_running(self) -> None:
        """Starts it if it does not run, as a supervisor would do."""
        await asyncio.to_thread(self._cluster.ensure_running)

    def stop(self) -> None:
        """Stops it."""
        self._cluster.stop()

    async def stop_at_once(self) -> None:
        """Stops it in immediate mode: it writes nothing more, and recovers at the next start."""
        self._deadlocks_before = await self.deadlocks()
        pid = self._pid()
        os.kill(pid, signal.SIGQUIT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._cluster.is_live():  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """Kills all its processes with kill -9. It stays down."""
        self._deadlocks_before = await self.deadlocks()
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)  # it must not start or restart anything meanwhile
        signal_all([pid, *children_of(pid)], signal.SIGKILL)

    async def cut_all(self) -> int:
        """Ends every connection to the application's database. Returns their number."""
        return int(await self.ask(CUT_ALL))

    def freeze(self) -> list[int]:
        """Suspends all its processes. Returns their IDs, for `thaw`."""
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)
        stopped = [pid, *children_of(pid)]
        signal_all(stopped, signal.SIGSTOP)
        return stopped

    def thaw(self, stopped: list[int]) -> None:
        """Continues the processes."""
        signal_all(stopped[::-1], signal.SIGCONT)

    async def deadlocks(self) -> int:
        """The number of deadlocks since the beginning."""
        return self._deadlocks_before + int(await self.ask(DEADLOCKS) or 0)

    async def ask(self, statement: str) -> Any:
        """Reads one value as the superuser, over a new connection."""
        connection = await self.superuser()
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def superuser(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of the superuser."""
        return await asyncpg.connect(self._url("postgres", "ibiki"), timeout=10)

    def _pid(self) -> int:
        pid_file = self._cluster.path / "postmaster.pid"
        return int(pid_file.read_text().split("\n", 1)[0])

    def _url(self, role: str, name: str) -> str:
        return f"postgresql://{role}@/{name}?host={quote(str(self.socket.parent), safe='/')}"
