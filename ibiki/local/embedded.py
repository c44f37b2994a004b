"""The PostgreSQL that comes in a wheel: started, joined by further commands, stopped by the last.

One directory holds everything:

    DIR/postgres/        the cluster, mode 0700: data, socket, server.log
    DIR/postgres.lock    locked while somebody starts or stops the server
    DIR/postgres.users   share-locked by every command that uses it; the last one out stops it

The kernel drops the locks of a killed program, so nothing here counts process ids.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from ibiki.local.cluster import Cluster, EmbeddedDatabaseUnavailable, locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

__all__ = ["EmbeddedDatabase", "EmbeddedDatabaseUnavailable", "start", "stop"]

_CREATE_ROLE_AND_DATABASE = r"""
SELECT 'CREATE ROLE ibiki LOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ibiki') \gexec
SELECT 'CREATE DATABASE ibiki OWNER ibiki'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ibiki') \gexec
"""


class EmbeddedDatabase:
    """A running embedded database, for as long as `leave` has not been called."""

    def __init__(self, cluster: Cluster, place: IO[bytes]) -> None:
        self._cluster = cluster
        self._place = place

    @property
    def url(self) -> str:
        """The application's address: role `ibiki`, no superuser, owner of database `ibiki`."""
        return self._address(role="ibiki", database="ibiki")

    @property
    def superuser_url(self) -> str:
        """For what the application may not do: further databases, ending other connections."""
        return self._address(role="postgres", database="postgres")

    def ensure_running(self) -> None:
        """The server runs, started again if it had died. The addresses stay the same."""
        with _locked(self._cluster):
            self._cluster.ensure_running()

    def leave(self) -> None:
        """The server is stopped, unless another command still uses it. Safe to repeat."""
        if self._place.closed:
            return
        with _locked(self._cluster):
            self._place.close()
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
    """The database kept in `directory`: created if it is new, started unless it runs, joined.

    Without `durable` nothing is forced to disk: for tests, whose data is thrown away.
    """
    cluster = locate(directory, durable=durable)
    with _locked(cluster):
        place = _opened(cluster.users_path)
        fcntl.flock(place, fcntl.LOCK_SH)
        try:
            cluster.ensure_created()
            cluster.ensure_running()
            if not cluster.set_up_path.exists():
                cluster.execute(_CREATE_ROLE_AND_DATABASE)
                cluster.set_up_path.touch()
        except BaseException:
            place.close()
            _stop_unless_used(cluster)
            raise
    return EmbeddedDatabase(cluster, place)


def stop(directory: Path) -> bool:
    """Stops the server in `directory` unless a command uses it; says whether none runs now."""
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


def _opened(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
