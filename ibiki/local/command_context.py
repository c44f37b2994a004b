"""What each command works with: the settings, the data directory and the database."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ibiki.errors import CommandError
from ibiki.local import embedded
from ibiki.settings import settings

RESTORED = "restored"
"""A file in the data directory: the queue is from a backup and must not be sent."""


class NotInstalled(CommandError):
    """The directory or the database holds no installation, or an older one."""


class DirectoryUnusable(CommandError):
    """The directory cannot be written to."""


class AlreadyUp(CommandError):
    """Another `ibiki up` runs in the directory."""


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The settings, the directory and the address of a database that accepts connections."""

    settings: settings.Settings
    directory: Path
    database_url: str
    embedded: embedded.EmbeddedDatabase | None = None


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
        raise NotInstalled(
            f"{directory} holds no installation. Start `ibiki up` first, or choose another --data."
        )
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise DirectoryUnusable(f"{directory} is not a directory. Choose another one with --data.")
    checked = settings.load_or_exit(directory)
    if checked.database.url is not None:
        from persistence.servers import check_usable  # imported late, because it takes long

        asyncio.run(check_usable(checked.database.url))
        yield CommandContext(checked, directory, checked.database.url)
        return
    make_directory(directory)
    with embedded.start(directory) as database:
        yield CommandContext(checked, directory, database.url, database)


def check_session(context: CommandContext) -> None:
    """Raises CommandError if a session of PostgreSQL does not last: migrations hold its lock."""
    if context.settings.database.transaction_pooler:
        raise CommandError(
            "Migrations need their own session. Run `ibiki migrate` with the address of"
            " PostgreSQL itself in DATABASE_URL, and without DATABASE_TRANSACTION_POOLER."
        )


def check_settled(directory: Path) -> None:
    """Raises NotInstalled if a restore was interrupted before its queue became UNKNOWN."""
    if (directory / RESTORED).exists():
        raise NotInstalled(
            f"The database in {directory} was restored, and what it has queued may have been sent"
            " since. Run `ibiki after-restore` first."
        )


def make_directory(directory: Path) -> None:
    """Creates the directory if it is missing. Raises DirectoryUnusable."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise DirectoryUnusable(
            f"{directory} cannot be written to: {error.strerror}."
            " Choose another directory with --data."
        ) from error


@contextmanager
def single_instance(directory: Path) -> Iterator[None]:
    """Locks the directory for one `ibiki up`. Raises AlreadyUp.

    The kernel releases the lock if the process dies.
    """
    make_directory(directory)
    with (directory / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(
                f"Another `ibiki up` runs in {directory}. Use that one, or choose another"
                " directory with --data."
            ) from None
        yield
