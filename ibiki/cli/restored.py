"""`ibiki backup`, `restore` and `after-restore`: no message is sent twice by an older database."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from domain.dispatch.jobs import JobRules
from domain.dispatch.restored import DispatchersRunning, doubt_queued
from domain.errors import units_in_words
from domain.times import moment_of
from ibiki.cli.options import DEFAULT_DIRECTORY, Data, DryRun, Json
from ibiki.cli.running import busy, print_result, with_installation
from ibiki.errors import CommandError
from ibiki.local import backup as backups
from ibiki.local import embedded
from ibiki.local.cluster import locate
from ibiki.local.command_context import RESTORED, CommandContext, NotInstalled
from ibiki.wiring import Components
from persistence import store

POLL_SECONDS = 0.2

NEXT_STEPS = (
    "Run `ibiki audit` and `ibiki sync`. Then compare `ibiki export-unknowns` with the provider's"
    " log, and settle them: “Backup and restore” in docs/operating.md."
)


app = typer.Typer()


@app.command()
def backup(
    directory: Annotated[
        Path, typer.Argument(help="The directory of the backups. Choose another disk.")
    ],
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Copy the embedded database while it runs, and keep all its changes from then on."""
    _check_embedded()
    if not (data / "postgres").exists():
        raise NotInstalled(f"{data} holds no installation. Choose another --data.")
    with embedded.start(data), busy("Copying the database"):
        done = backups.backup(data, directory)
    print_result(
        json,
        {"path": str(done.path), "archives": done.archives},
        f"The copy is {done.path}.",
        "All changes since are kept."
        if done.archives
        else "All changes are kept from the next start on: restart Ibiki.",
    )


@app.command()
def restore(
    directory: Annotated[Path, typer.Argument(help="The directory of `ibiki backup`.")],
    to: Annotated[
        str,
        typer.Option(help="The time to restore (2026-11-20T08:30:00Z). Default: the last change."),
    ] = "",
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Restore a backup of the embedded database into a new --data directory.

    Messages that were queued at that time become UNKNOWN, as by `ibiki after-restore`.
    """
    _check_embedded()
    until = moment_of(to, field="--to") if to else None
    base = backups.restore(directory, data, until=until)
    cluster = locate(data, durable=True)
    try:
        with busy("Applying the changes since the copy"), embedded.start(data):
            while cluster.execute("SELECT pg_is_in_recovery();") != "f":
                time.sleep(POLL_SECONDS)
    except embedded.EmbeddedDatabaseUnavailable as unavailable:
        last = backups.discard(data)
        if last is None:
            raise
        raise CommandError(
            f"The changes in {directory} end before {to}: the last one is of {last} UTC. Nothing"
            " was restored. Give that time or an earlier one, or leave --to out."
        ) from unavailable
    doubted = with_installation(data, _doubt)
    print_result(
        json,
        {"backup": str(base), "messages": doubted},
        f"{data} has the database of {base}, with {_changes_in_words(directory, base, to)}.",
        *_doubted(doubted),
    )


def _changes_in_words(directory: Path, base: Path, to: str) -> str:
    if not backups.has_later_changes(directory, base):
        return f"no later change: there is none in {directory / backups.ARCHIVE}"
    return f"the changes until {to}" if to else f"all changes in {directory / backups.ARCHIVE}"


@app.command("after-restore")
def after_restore(
    data: Data = DEFAULT_DIRECTORY, json: Json = False, dry_run: DryRun = False
) -> None:
    """Make queued messages UNKNOWN after a restore: they may have been sent since.

    Run it before `ibiki dispatch` or `ibiki up`. It refuses while one of them runs.
    """
    if dry_run:
        due = with_installation(data, _count, must_exist=True)
        would = f"To become UNKNOWN: {units_in_words(due, 'message')}. Nothing was changed."
        print_result(json, {"messages": due, "dryRun": True}, would)
        return
    doubted = with_installation(data, _doubt, must_exist=True)
    print_result(json, {"messages": doubted, "dryRun": False}, *_doubted(doubted))


async def _doubt(context: CommandContext, parts: Components) -> int:
    try:
        doubted = await doubt_queued(store, parts.job_writer(JobRules(waiting=None)))
    except DispatchersRunning as running:
        raise CommandError(
            "Stop every `ibiki dispatch` and `ibiki up` first: they send what is queued."
        ) from running
    (context.directory / RESTORED).unlink(missing_ok=True)
    return doubted


async def _count(context: CommandContext, parts: Components) -> int:
    return await store.count_due()


def _doubted(messages: int) -> tuple[str, str]:
    return f"UNKNOWN now: {units_in_words(messages, 'message')}.", NEXT_STEPS


def _check_embedded() -> None:
    if os.environ.get("DATABASE_URL"):
        raise CommandError(
            "DATABASE_URL is set, and this command is for the embedded database. For your own"
            " server, see “Backup and restore” in docs/operating.md."
        )
