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

from ibiki.cli.errors import CommandError
from ibiki.local import embedded
from ibiki.settings import settings


class NotInstalled(CommandError):
    """There is nothing yet that the command could look at."""


class DirectoryUnusable(CommandError):
    """Nothing can be kept in the directory."""


class AlreadyUp(CommandError):
    """An `ibiki up` is at work in the directory."""


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What every command is given. `database_url` is ready to be connected to."""

    settings: settings.Settings
    directory: Path
    database_url: str


@contextmanager
def open_context(directory: Path, *, must_exist: bool = False) -> Iterator[CommandContext]:
    """The context, for as long as the command runs.

    Without DATABASE_URL, this starts the embedded PostgreSQL of the directory, unless another
    command has started it. The last command to end stops it.

    `must_exist`: raises NotInstalled if the directory holds no installation, so that a mistyped
    directory does not become a new one. Raises DirectoryUnusable, and DatabaseUnusable if
    DATABASE_URL cannot be used.
    """
    if must_exist and not os.environ.get("DATABASE_URL") and not (directory / "postgres").exists():
        raise NotInstalled(f"Nothing is kept in {directory}: `ibiki up` begins, or see --data.")
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise DirectoryUnusable(f"{directory} is no directory: choose another one with --data.")
    checked = settings.load_or_exit(directory)
    if checked.database.url is not None:
        from persistence.reaching import check_usable  # takes as long to load as all the rest

        asyncio.run(check_usable(checked.database.url))
        yield CommandContext(checked, directory, checked.database.url)
        return
    make_directory(directory)
    with embedded.start(directory) as database:
        yield CommandContext(checked, directory, database.url)


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
def single_instance(directory: Path) -> Iterator[None]:
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
