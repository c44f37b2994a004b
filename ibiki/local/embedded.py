"""The embedded PostgreSQL. The first command starts it, others share it, the last one stops it.

One directory holds everything:

    DIR/postgres/        the cluster, mode 0700: data, socket, server.log
    DIR/postgres.lock    locked while a command starts or stops the server
    DIR/postgres.users   share-locked by each command that uses the server

The kernel releases the locks of a killed program, so there is no need to count process IDs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from ibiki.local.cluster import Cluster, EmbeddedDatabaseUnavailable, locate

__all__ = ["EmbeddedDatabase", "EmbeddedDatabaseUnavailable", "start", "stop"]

_CREATE_ROLE_AND_DATABASE = r"""
SELECT 'CREATE ROLE ibiki LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ibiki') \gexec
SELECT 'CREATE DATABASE ibiki OWNER ibiki'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ibiki') \gexec
"""


class EmbeddedDatabase:
    """A running embedded database, until `leave` is called."""

    def __init__(self, cluster: Cluster, users_file: IO[bytes]) -> None:
        self._cluster = cluster
        self._users_file = users_file

    @property
    def url(self) -> str:
        """The application's address. Its role `ibiki` owns the database and is not a superuser."""
        return self._address(role="ibiki", database="ibiki")

    @property
    def superuser_url(self) -> str:
        """The superuser's address: to create databases, and to end other connections."""
        return self._address(role="postgres", database="postgres")

    def ensure_running(self) -> None:
        """Starts the server again if it has died. The addresses stay the same."""
        with _locked(self._cluster):
            self._cluster.ensure_running()

    @property
    def is_live(self) -> bool:
        """Whether the server runs. It may be starting, or be recovering from a crash."""
        return self._cluster.is_live()

    def restart(self) -> str | None:
        """Tries once to start a server that has ended. Returns why it does not answer, or None."""
        with _locked(self._cluster):
            return self._cluster.restart()

    @property
    def is_registered(self) -> bool:
        """Whether other commands see that this one uses the server: `postgres.users` is there."""
        try:
            there = self._cluster.users_path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._users_file.fileno()))

    def register(self) -> None:
        """Locks `postgres.users` again after it was deleted."""
        with _locked(self._cluster):
            self._users_file.close()
            self._users_file = _share_locked(self._cluster)

    def leave(self) -> None:
        """Stops the server, unless another command uses it. Safe to repeat."""
        if self._users_file.closed:
            return
        with _locked(self._cluster):
            self._users_file.close()
            _stop_unless_used(self._cluster)

    def __enter__(self) -> EmbeddedDatabase:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def _address(self, *, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self._cluster.sockets), safe='/')}"


def start(directory: Path, *, durable: bool = True) -> EmbeddedDatabase:
    """The database of `directory`. Creates and starts it if necessary.

    Without `durable` nothing is flushed to disk. This is for tests.
    """
    cluster = locate(directory, durable=durable)
    with _locked(cluster):
        users_file = _share_locked(cluster)
        try:
            cluster.ensure_created()
            cluster.ensure_running()
            if not cluster.set_up_path.exists():
                cluster.execute(_CREATE_ROLE_AND_DATABASE)
                cluster.set_up_path.touch()
        except BaseException:
            users_file.close()
            _stop_unless_used(cluster)
            raise
    return EmbeddedDatabase(cluster, users_file)


def stop(directory: Path) -> bool:
    """Stops the server of `directory`, unless a command uses it. Returns whether it is stopped."""
    cluster = locate(directory, durable=True)
    with _locked(cluster):
        return _stop_unless_used(cluster)


def _stop_unless_used(cluster: Cluster) -> bool:
    with _opened(cluster.users_path) as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return cluster.stop()


@contextmanager
def _locked(cluster: Cluster) -> Iterator[None]:
    with _opened(cluster.lock_path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _share_locked(cluster: Cluster) -> IO[bytes]:
    file = _opened(cluster.users_path)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _opened(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
