"""Where a command works: the settings, the data directory, and the database behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ibiki import embedded, settings


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every command is given. `database_url` is ready to be connected to."""

    settings: settings.Settings
    directory: Path
    database_url: str


@contextmanager
def workplace(directory: Path) -> Iterator[Workplace]:
    """The place, for as long as the command runs.

    Without DATABASE_URL the embedded PostgreSQL of the directory is started, or joined where
    another command has started it; the last one to leave stops it.
    """
    checked = settings.load_or_exit(directory)
    if checked.database.url is not None:
        yield Workplace(checked, directory, checked.database.url)
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with embedded.start(directory) as database:
        yield Workplace(checked, directory, database.url)
