"""The commands of `ibiki` that keep the database in order: backups, keys, months, old messages."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ibiki.cli.loading import load

upkeep = typer.Typer()

Data = Annotated[
    Path,
    typer.Option("--data", envvar="IBIKI_DATA", help="The directory of the keys and the database."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Apply = Annotated[bool, typer.Option("--apply", help="Drop it. Else, nothing is changed.")]
DEFAULT_DIRECTORY = Path(".ibiki")


@upkeep.command()
def partitions(
    move: Annotated[
        bool,
        typer.Option(
            "--move",
            help="Move webhook events into months. No process of an older release may run.",
        ),
    ] = False,
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """List the months that messages and events are stored by."""
    load("ibiki.cli.partitions").show(data, move=move, as_json=json)


@upkeep.command()
def backup(
    directory: Annotated[
        Path, typer.Argument(help="The directory of the backups. Choose another disk.")
    ],
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Copy the embedded database while it runs, and keep all its changes from then on."""
    load("ibiki.cli.restored").backup(data, directory, as_json=json)


@upkeep.command()
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
    load("ibiki.cli.restored").restore(directory, data, to=to or None, as_json=json)


@upkeep.command("after-restore")
def after_restore(
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, change nothing.")] = False,
) -> None:
    """Make queued messages UNKNOWN after a restore: they may have been sent since.

    Run it before `ibiki dispatch` or `ibiki up`. It refuses while one of them runs.
    """
    load("ibiki.cli.restored").after_restore(data, dry_run=dry_run, as_json=json)


@upkeep.command("rotate-keys")
def rotate_keys(data: Data = DEFAULT_DIRECTORY, json: Json = False) -> None:
    """Encrypt all stored credentials with the first key of ENCRYPTION_KEYS."""
    load("ibiki.cli.rotation").rotate(data, as_json=json)


class ExportFormat(StrEnum):
    """How files of old months are written."""

    CSV = "csv"
    PARQUET = "parquet"


@upkeep.command()
def retention(
    apply: Apply = False,
    export: Annotated[
        Path | None,
        typer.Option(help="Write messages to files in this directory before they are dropped."),
    ] = None,
    format: Annotated[
        ExportFormat, typer.Option(help="The format of these files.")
    ] = ExportFormat.CSV,
    without_export: Annotated[
        bool, typer.Option("--without-export", help="Drop messages without writing them to files.")
    ] = False,
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Drop texts and whole months that are older than the rules say. Without --apply, list them.

    Safe to interrupt and to run again. Messages can be sent meanwhile.
    """
    load("ibiki.cli.retention").retention(
        data,
        apply=apply,
        export=export,
        format=format.value,
        without_export=without_export,
        as_json=json,
    )


@upkeep.command("set-retention")
def set_retention(
    client: Annotated[str, typer.Argument(help="The client's name, its ID, or a user's email.")],
    text_days: Annotated[
        int | None, typer.Option(help="Days that texts are kept. 0: for ever.", min=0, max=36_500)
    ] = None,
    months: Annotated[
        int | None,
        typer.Option(help="Months that messages are kept. 0: for ever.", min=0, max=1200),
    ] = None,
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Keep the texts and messages of one client shorter or longer than those of others.

    Without an option, the settings of the installation apply.
    """
    load("ibiki.cli.retention").set_retention(data, client, text_days=text_days, months=months)


@upkeep.command("erase-person")
def erase_person(
    number: Annotated[str, typer.Argument(help="The phone number of the person.")],
    client: Annotated[
        str,
        typer.Option(help="Only of this client: its name, its ID, or a user's email."),
    ] = "",
    apply: Apply = False,
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Drop messages, contacts and events of a phone number. Without --apply, only list them.

    Charges and opt-outs stay. So do messages that are not finished: run it again later.
    """
    load("ibiki.cli.retention").erase_person(data, number, client=client, apply=apply, as_json=json)
