"""Retention as the command line and the daily work run it: close months, export, drop."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from domain.errors import AlreadyRunning
from domain.inbox.capture import CaptureStore, capture_contacts
from domain.ledger.closing import CheckpointStore, close_months
from domain.ledger.reconcile import last_night
from domain.ledger.runs import REST
from domain.retention.retention import (
    Exported,
    Found,
    RetentionStore,
    RowKind,
    Step,
    begin_export,
    drop_old,
    drop_person,
    months_to_export,
    rows_of,
)
from domain.retention.rules import Clients, Retention, Rules
from ibiki.errors import CommandError
from ibiki.exporting import MonthFiles
from ibiki.settings.retention import RetentionSettings

_log = logging.getLogger(__name__)


class Store(CheckpointStore, RetentionStore, Protocol):
    """What closing months and retention need."""


class ErasingStore(CaptureStore, RetentionStore, Protocol):
    """What dropping a person needs."""


@dataclass(frozen=True, slots=True)
class Exporting:
    """The directory and the format of exports of old months, which are made before a drop."""

    directory: Path
    format: str = "csv"


class ExportUnusable(CommandError):
    """The directory of exports cannot be written to."""


def check_writable(directory: Path, name: str) -> None:
    """Makes the directory, and writes to it. Raises ExportUnusable, which calls it `name`.

    At the start: otherwise the first night in which something is old enough finds out.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ExportUnusable(
            f"{name}: {directory} cannot be written to: {error.strerror}. Choose a directory in"
            " which this program may make files."
        ) from error


class DailyRetention:
    """Drops what is too old once a day, in one of all processes, if the settings say so.

    Raises ExportUnusable.
    """

    def __init__(self, store: Store, settings: RetentionSettings) -> None:
        self._store = store
        self._default = Retention(settings.text_days, settings.months)
        self._exporting = Exporting(settings.export) if settings.export else None
        self._is_on = settings.daily
        if settings.daily and settings.export is not None:
            check_writable(settings.export, "RETENTION_EXPORT")

    async def run_daily(self) -> bool:
        """Does the work of this day, unless a process has begun it. Cheap: a loop calls it."""
        now = datetime.now(UTC)
        if self._is_on and await self._store.start_daily("retention", not_since=last_night(now)):
            gone: Counter[str] = Counter()
            async for found in run_retention(
                self._store, self._default, now, exporting=self._exporting
            ):
                gone[found.kind.value] += found.rows
            words = ", ".join(f"{count} {kind}" for kind, count in gone.items())
            _log.info("retention dropped %s", words or "nothing")
        return False


async def run_retention(
    store: Store,
    default: Retention,
    now: datetime,
    *,
    exporting: Exporting | None,
    report_file: Callable[[Path], None] = lambda path: None,
    rest: float = REST,
) -> AsyncIterator[Found]:
    """Closes months that are due, then exports and drops old rows. Yields what was dropped.

    Raises LedgerInconsistent. If another audit is in progress, months are closed the next time.
    """
    with suppress(AlreadyRunning):
        await close_months(store, now, rest=rest)
    # The same rules for both: a month that is closed, or a rule that changes, while files are being
    # written must not drop what is not in them.
    rules, exported = await store.read_rules(default), None
    if exporting is not None:
        exported = await export_months(
            store, rules, now, exporting, report_file=report_file, rest=rest
        )
    async for found in drop_old(store, rules, now, dry_run=False, exported=exported, rest=rest):
        yield found


async def erase(
    store: ErasingStore, number: str, clients: Clients, *, dry_run: bool, rest: float = REST
) -> AsyncIterator[tuple[RowKind, Step]]:
    """As `drop_person`. Captures first: a message is found by its number when it is captured."""
    while not dry_run and await capture_contacts(store):
        pass
    async for step in drop_person(store, number, clients, dry_run=dry_run, rest=rest):
        yield step


async def export_months(
    store: RetentionStore,
    rules: Rules,
    now: datetime,
    exporting: Exporting,
    *,
    report_file: Callable[[Path], None] = lambda path: None,
    rest: float = REST,
) -> Exported:
    """Writes the rows of whole months that would be dropped. Never changes a file that exists."""
    exported = await begin_export(store)
    hashes = {each.month: each.hash.hex() for each in await store.read_checkpoints()}
    files: MonthFiles | None = None
    open_month = ""

    def finish() -> None:
        if files is not None and (path := files.finish(checkpoint=hashes.get(open_month, ""))):
            report_file(path)

    async for month, kind, spans in months_to_export(store, rules, now, exported):
        if month != open_month:
            finish()
            files = MonthFiles(exporting.directory, month, datetime.now(UTC), exporting.format)
            open_month = month
        assert files is not None
        await files.add(kind, rows_of(store, kind, spans, rest=rest))
    finish()
    return exported
