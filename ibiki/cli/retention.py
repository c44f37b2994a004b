"""`ibiki retention`, `ibiki set-retention` and `ibiki erase-person`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from domain.errors import units_in_words
from domain.identity.access import Everything
from domain.ledger.closing import LedgerInconsistent, months_due
from domain.numbers import Normaliser
from domain.retention.retention import Found, drop_old
from domain.retention.rules import Clients, Retention, months_before
from ibiki.cli.clients import client_named
from ibiki.cli.options import DEFAULT_DIRECTORY, Data, Json, NamedClient
from ibiki.cli.running import busy, console, print_result, with_installation
from ibiki.errors import CommandError, WrongArguments
from ibiki.local.command_context import CommandContext
from ibiki.retention import Exporting, check_writable, erase, export_months, run_retention
from ibiki.wiring import Components
from persistence import store

app = typer.Typer()

NOT_CLOSED = (
    "Not listed: {}, because the ledger is not closed until then. --apply audits and closes it, and"
    " then drops these months as well."
)

Apply = Annotated[bool, typer.Option("--apply", help="Drop it. Else, nothing is changed.")]


class ExportFormat(StrEnum):
    """How files of old months are written."""

    CSV = "csv"
    PARQUET = "parquet"


@app.command()
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

    --apply needs --export or --without-export.

    Safe to interrupt and to run again. Messages can be sent meanwhile.
    """
    if format is ExportFormat.PARQUET and find_spec("pyarrow") is None:
        raise CommandError("Parquet needs pyarrow: install ibiki[parquet], or use --format csv.")
    if apply and export is None and not without_export:
        raise WrongArguments(
            "Give --export DIR to write messages to files before the drop, or --without-export."
        )
    if export is not None:
        check_writable(export, "--export")
    exporting = Exporting(export, format) if export else None
    files: list[Path] = []
    not_closed: list[str] = []

    async def run(context: CommandContext, parts: Components) -> None:
        settings, now = context.settings.retention, datetime.now(UTC)
        default = Retention(settings.text_days, settings.months)
        if apply:
            found = run_retention(
                store, default, now, exporting=exporting, report_file=files.append
            )
        else:
            rules = await store.read_rules(default)
            if exporting is not None:
                await export_months(store, rules, now, exporting, report_file=files.append)
            found = drop_old(store, rules, now, dry_run=True)
            limits = rules.month_limits(now)
            not_closed.extend(
                f"{months_before(ends_at, 1):%Y-%m}"
                for ends_at in await months_due(store, now)
                if any(each.before >= ends_at for each in limits)
            )
        # `files` is complete when the last row was dropped.
        try:
            with busy("Reading what is older than the rules say"):
                rows = [each async for each in found]
        except LedgerInconsistent as broken:
            raise CommandError(str(broken)) from broken
        await _print(rows, as_json=json, done=apply, files=files, not_closed=not_closed)

    with_installation(data, run, must_exist=True)


@app.command("set-retention")
def set_retention(
    client: NamedClient,
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

    async def run(context: CommandContext, parts: Components) -> None:
        found = await client_named(client)
        await store.set_retention(found.id, Retention(text_days, months))
        console.print(
            f"{found.name}: texts {_kept(text_days, 'days')}, messages {_kept(months, 'months')}."
        )

    with_installation(data, run, must_exist=True)


@app.command("erase-person")
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

    Charges and opt-outs stay. Messages that are not finished stay, too: run it again later.
    """

    async def run(context: CommandContext, parts: Components) -> None:
        of = Clients(frozenset({(await client_named(client)).id})) if client else Clients()
        e164 = person_number(parts.installation.normaliser, number)
        found: list[Found] = []
        waiting = 0
        with busy("Reading everything that can name the number"):
            async for _, step in erase(store, e164, of, dry_run=not apply):
                found += step.found
                waiting += step.waiting
        await _print(found, as_json=json, done=apply, waiting=waiting)

    with_installation(data, run, must_exist=True)


def person_number(normaliser: Normaliser, given: str) -> str:
    """The number (E.164) of a person who may only have written to us. Raises InvalidPhoneNumber.

    An inbound message is stored also if the number is not valid, but possible. Such a number must
    be written in one way only: with a plus, if it is not of the default region.
    """
    found = normaliser.sender_numbers(given)
    if normaliser.normalise_many([given]) == [None] and len(found) == 1:
        return found[0]
    return normaliser.normalise(given)


def _kept(count: int | None, unit: str) -> str:
    if count is None:
        return "as in the settings"
    return f"for {count} {unit}" if count else "for ever"


async def _print(
    found: Sequence[Found],
    *,
    as_json: bool,
    done: bool,
    files: Sequence[Path] = (),
    waiting: int = 0,
    not_closed: Sequence[str] = (),
) -> None:
    rows: defaultdict[tuple[str, str, UUID | None], list[int]] = defaultdict(lambda: [0, 0])
    for each in found:
        sums = rows[each.month, each.kind.value, each.client_id]
        sums[0] += each.rows
        sums[1] += each.bytes
    names = await store.find_clients(Everything(), [each[2] for each in rows if each[2]])
    lines = [
        f"{month}  {kind}: {count:,} ({size / 1e6:,.1f} MB), "
        f"{names[client].name if client in names else 'no client'}"
        for (month, kind, client), (count, size) in sorted(rows.items(), key=lambda row: row[0][:2])
    ]
    total = sum(count for count, _ in rows.values())
    count_in_words = units_in_words(total, "row")
    summary = f"Dropped {count_in_words}."
    if not done:
        summary = f"Would drop {count_in_words}. Nothing was changed: add --apply."
    print_result(
        as_json,
        {
            "applied": done,
            "files": [str(path) for path in files],
            "waiting": waiting,
            "notClosed": not_closed,
            "found": [
                {
                    "month": month,
                    "part": kind,
                    "clientId": str(client) if client else None,
                    "rows": count,
                    "bytes": size,
                }
                for (month, kind, client), (count, size) in rows.items()
            ],
        },
        *lines,
        *(f"Exported: {path}" for path in files),
        summary if total else "There is nothing to drop.",
        *([f"Not finished: {units_in_words(waiting, 'row')}. Run again later."] if waiting else []),
        *([NOT_CLOSED.format(", ".join(not_closed))] if not_closed else []),
    )
