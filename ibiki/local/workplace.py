"""Where a command works: the settings, the data directory, and the database behind them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ibiki.cli.mistakes import Mistake
from ibiki.local import embedded
from ibiki.settings import settings


class NothingKept(Mistake):
    """There is nothing yet that the command could look at."""


class DirectoryUnusable(Mistake):
    """Nothing can be kept in the directory."""


class AlreadyUp(Mistake):
    """An `ibiki up` is at work in the directory."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every command is given. `database_url` is ready to be connected to."""

    settings: settings.Settings
    directory: Path
    database_url: str


@contextmanager
def workplace(directory: Path, *, begun: bool = False) -> Iterator[Workplace]:
    """The place, for as long as the command runs.

    Without DATABASE_URL the embedded PostgreSQL of the directory is started, or joined where
    another command has started it; the last one to leave stops it. `begun`: raises NothingKept
    where no command has begun there: a mistyped directory does not become a new installation.
    Raises DirectoryUnusable, and DatabaseUnusable for a DATABASE_URL that leads nowhere.
    """
    if begun and not os.environ.get("DATABASE_URL") and not (directory / "postgres").exists():
        raise NothingKept(f"Nothing is kept in {directory}: `ibiki up` begins, or see --data.")
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise DirectoryUnusable(f"{directory} is no directory: choose another one with --data.")
    checked = settings.load_or_exit(directory)
    if checked.database.url is not None:
        from persistence.reaching import check_usable  # takes as long to load as all the rest

        asyncio.run(check_usable(checked.database.url))
        yield Workplace(checked, directory, checked.database.url)
        return
    make_directory(directory)
    with embedded.start(directory) as database:
        yield Workplace(checked, directory, database.url)


def make_directory(directory: Path) -> None:
    """The directory is there, and can be written to. Raises DirectoryUnusable."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as refused:
        raise DirectoryUnusable(
            f"Nothing can be kept in {directory}: {refused.strerror}."
            " Choose a directory of your own with --data."
        ) from refused


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """No other `ibiki up` works in the directory. Raises AlreadyUp. The kernel keeps the lock."""
    make_directory(directory)
    with (directory / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(
                f"Another `ibiki up` is at work in {directory}: use that one, or choose another"
                " directory with --data."
            ) from None
        yield
