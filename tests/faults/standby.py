"""A streaming standby of an embedded server: how to make, suspend, stop and promote it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ibiki.local.cluster import Cluster, allow_passage, locate, make_private_directory
from tests.faults.programs import children_of, signal_all


@dataclass(frozen=True)
class Standby:
    """A server in a separate directory. It follows another one until it is promoted."""

    cluster: Cluster

    def url(self, database: str = "ibiki", *, role: str = "ibiki") -> str:
        """The address of a database on it."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.cluster.sockets), safe='/')}"

    def start(self) -> None:
        """Starts it. Returns when it answers reads."""
        self.cluster.ensure_running()

    def stop(self) -> None:
        """Stops it."""
        self.cluster.stop()

    def promote(self) -> None:
        """Makes it a main server."""
        self.cluster.run("pg_ctl", "promote", "--wait", "--pgdata=.", cwd=self.cluster.path)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the block runs, it accepts connections and answers nothing."""
        pid = int((self.cluster.path / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGSTOP)
        stopped = [pid, *children_of(pid)]
        signal_all(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_all(stopped[::-1], signal.SIGCONT)


def base_backup(primary: Cluster, directory: Path, *arguments: str) -> Cluster:
    """Copies a running server to a directory. The copy is not started."""
    copy = locate(directory, durable=False)
    allow_passage(copy.path)
    make_private_directory(copy.path, copy)
    ran = primary.run(
        "pg_basebackup",
        f"--pgdata={copy.path}",
        f"--host={primary.sockets}",
        "--username=postgres",
        "--checkpoint=fast",
        "--no-sync",
        *arguments,
        cwd=copy.path,
        capture_output=True,
    )
    if ran.returncode != 0:
        shutil.rmtree(copy.path)
        raise RuntimeError(f"pg_basebackup failed: {ran.stderr}")
    return copy


def copied_server(template: Cluster, directory: Path) -> Standby:
    """A new running main server with the migrated database `ibiki`.

    `template`: the server of a test run, which has a migrated template: a migration takes a minute
    on a busy machine.
    """
    server = Standby(base_backup(template, directory))
    server.start()
    server.cluster.execute("DROP DATABASE ibiki; ALTER DATABASE ibiki_template RENAME TO ibiki;")
    return server


def standby_of(primary: Cluster, directory: Path, *, application_name: str = "standby") -> Standby:
    """A new standby that follows the primary, running.

    `application_name`: its name in `synchronous_standby_names` and `pg_stat_replication`.
    """
    copy = base_backup(primary, directory, "--write-recovery-conf")
    with (copy.path / "postgresql.auto.conf").open("a") as file:
        # The last line counts, not the one that pg_basebackup has written.
        file.write(
            f"primary_conninfo = 'host={primary.sockets} user=postgres"
            f" application_name={application_name}'\n"
        )
    standby = Standby(copy)
    standby.start()
    return standby
