"""A PostgreSQL to be hurt: the embedded one, stopped, killed, frozen and cut off at will."""

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
from tests.faults.programs import children_of, signal_all
from tests.faults.standby import base_backup

CREATE = "CREATE ROLE ibiki LOGIN; \nCREATE DATABASE ibiki OWNER ibiki;\n"

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'ibiki'"
CUT_ALL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = 'ibiki' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class _Hurtable(Cluster):
    """A cluster whose programs are started with a little more in their environment."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, program: str, *arguments: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of the wheel's programs."""
        if os.geteuid() == 0:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.run(
            [str(self.programs / program), *arguments],
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **self.environment},
            start_new_session=True,
            text=True,
            check=False,
            **options,
        )


class Postgres:
    """One server in a directory. `deadlocks` counts on over restarts, which forget theirs."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        found = locate(directory, durable=False)
        known = {each.name: getattr(found, each.name) for each in fields(found)}
        self._cluster = _Hurtable(**known, environment=environment)
        self._deadlocks_before = 0

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._cluster.sockets / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        """The application's address, with nobody in between."""
        return self._url("ibiki", "ibiki")

    def become(self, other: Postgres) -> None:
        """From now on this is the other server, as its address is after a failover."""
        self._cluster = other._cluster

    def create(self) -> None:
        """A new cluster, running, with the application's role and database."""
        self._cluster.ensure_created()
        self._cluster.ensure_running()
        self._cluster.execute(CREATE)

    def copy(self, other: Postgres, primary: str) -> None:
        """Becomes a copy of the other server, and follows its primary once it runs.

        `primary`: how to connect to it, as libpq writes it.
        """
        base_backup(other._cluster, self._cluster.directory, "--write-recovery-conf")
        with (self._cluster.path / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{primary}'\n")  # the last such line counts

    async def ensure_running(self) -> None:
        """It runs, as it would where somebody looks after it."""
        await asyncio.to_thread(self._cluster.ensure_running)

    def stop(self) -> None:
        """It runs no more."""
        self._cluster.stop()

    async def stop_at_once(self) -> None:
        """Immediate mode: nothing is written out, what is connected is cut, recovery comes next."""
        self._deadlocks_before = await self.deadlocks()
        pid = self._pid()
        os.kill(pid, signal.SIGQUIT)
        async with asyncio.timeout(30):
            while self._cluster.is_live():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """kill -9 of every process of it. It stays down."""
        self._deadlocks_before = await self.deadlocks()
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)  # it must not start or restart anything meanwhile
        signal_all([pid, *children_of(pid)], signal.SIGKILL)

    async def cut_all(self) -> int:
        """Ends every connection to the application's database; how many they were."""
        return int(await self.ask(CUT_ALL))

    def freeze(self) -> list[int]:
        """Stops every process of it where it stands; whom to let go on."""
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)
        stopped = [pid, *children_of(pid)]
        signal_all(stopped, signal.SIGSTOP)
        return stopped

    def thaw(self, stopped: list[int]) -> None:
        """Lets it go on."""
        signal_all(stopped[::-1], signal.SIGCONT)

    async def deadlocks(self) -> int:
        """How many there have been since the beginning."""
        return self._deadlocks_before + int(await self.ask(DEADLOCKS) or 0)

    async def ask(self, statement: str) -> Any:
        """One value, as the superuser, over a connection of its own."""
        connection = await self.superuser()
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def superuser(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection that may do anything."""
        return await asyncpg.connect(self._url("postgres", "ibiki"), timeout=10)

    def _pid(self) -> int:
        pid_file = self._cluster.path / "postmaster.pid"
        return int(pid_file.read_text().split("\n", 1)[0])

    def _url(self, role: str, name: str) -> str:
        return f"postgresql://{role}@/{name}?host={quote(str(self.socket.parent), safe='/')}"
