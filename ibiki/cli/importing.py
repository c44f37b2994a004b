"""`ibiki import`: checks a whole file, then imports it with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import typer
from rich.progress import Progress

from domain.errors import units_in_words
from domain.imports import balances, clients, legacy_logs
from domain.imports.contacts import ContactImport, OptOutImport
from domain.imports.importing import Importer, Problem, check, import_lines
from domain.imports.table import Table, opened_table
from domain.imports.tenants import EMAIL
from domain.sending.files.layout import cut
from ibiki.cli.clients import client_named
from ibiki.cli.options import DEFAULT_DIRECTORY, Data, Json
from ibiki.cli.running import busy, print_result, progress_bar, with_installation
from ibiki.errors import CommandError, WrongArguments
from ibiki.http.csv_files import csv_lines
from ibiki.local.command_context import CommandContext
from ibiki.wiring import Components
from persistence import store

app = typer.Typer()

MOST_SHOWN = 20


class Importable(StrEnum):
    """The kinds of files that can be imported."""

    LEGACY_LOGS = "legacy-logs"
    CLIENTS = "clients"
    BALANCES = "balances"
    CONTACTS = "contacts"
    OPT_OUTS = "opt-outs"


WHAT = {
    "legacy-logs": "log line",
    "clients": "client",
    "balances": "opening balance",
    "contacts": "contact",
    "opt-outs": "opt-out",
}
NAMED = {
    "legacy-logs": legacy_logs.COLUMNS,
    "clients": clients.COLUMNS,
    "balances": balances.COLUMNS,
    "contacts": (EMAIL,),
    "opt-outs": (EMAIL,),
}
NEXT = {
    "legacy-logs": "Run `ibiki reconcile --dry-run` to see which charges are missing or too much,"
    " and `ibiki reconcile` to correct them.",
    "clients": "A user without a password in the file cannot sign in until an admin sets one.",
    "balances": "Run `ibiki sync` now: it sets the pool to what the provider reports.",
}


@dataclass(slots=True)
class Problems:
    """The lines that cannot be imported: the first ones, and all of them in a file if given."""

    all_in: TextIO | None = None
    first: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, problem: Problem) -> None:
        """Adds one."""
        self.count += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append(problem)
        if self.all_in is not None:
            self.all_in.write(csv_lines([(problem.line, problem.message)]))


@app.command(
    "import",
    epilog="Columns, named in the first line (docs/importing.md explains them):\n\n"
    "legacy-logs: client_email, created_at, message_count, charged, reference\n\n"
    "clients: name, email; optional: business, group, rate_usd, status, password\n\n"
    "balances: client_email, balance; optional: reference\n\n"
    "contacts: client_email, a phone; optional: a name, a business\n\n"
    "opt-outs: client_email, a phone",
)
def import_file(
    kind: Annotated[Importable, typer.Argument(help="What the file holds.")],
    file: Annotated[
        Path, typer.Argument(help="A CSV or XLSX file.", exists=True, dir_okay=False, readable=True)
    ],
    client: Annotated[
        str,
        typer.Option(
            help="For contacts and opt-outs: the client of all lines. Its name, ID or email."
        ),
    ] = "",
    column: Annotated[
        str, typer.Option(help="For contacts and opt-outs: the column of the phone numbers.")
    ] = "",
    errors: Annotated[
        Path | None,
        typer.Option(help="Write all lines that cannot be imported to this CSV file."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file.")] = False,
    json: Json = False,
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Import a file of another system. If one line is wrong, nothing is imported.

    If it was interrupted, run it again: it skips what was imported before.
    """

    async def run(context: CommandContext, parts: Components) -> None:
        client_id = (await client_named(client)).id if client else None
        async with AsyncExitStack() as stack:
            with busy("Reading the file"):
                opened = stack.enter_context(file.open("rb"))
                table = await stack.enter_async_context(
                    opened_table(parts.installation, opened, () if client else NAMED[kind])
                )
            importer = _importer(kind, parts, table, client_id=client_id, column=column or None)
            problems = Problems(stack.enter_context(_new_list(errors)) if errors else None)
            progress = stack.enter_context(progress_bar(json))
            report = _bar(progress, "Checking", table)
            await check(importer, table, refuse=problems.add, report=report)
            if problems.count or dry_run:
                progress.stop()
                _say_checked(kind, table, problems, dry_run=dry_run, as_json=json)
                return
            report = _bar(progress, "Importing", table)
            changed = await import_lines(importer, table, report=report)
        _say_imported(kind, table, changed, as_json=json)

    with_installation(data, run, must_exist=True)


def _importer(
    kind: Importable, parts: Components, table: Table, *, client_id: UUID | None, column: str | None
) -> Importer[Any, Any]:
    installation = parts.installation
    normaliser = installation.normaliser
    if (client_id or column) and kind not in (Importable.CONTACTS, Importable.OPT_OUTS):
        raise WrongArguments("--client and --column are for contacts and opt-outs only.")
    match kind:
        case Importable.LEGACY_LOGS:
            return legacy_logs.LegacyLogImport(store, table)
        case Importable.BALANCES:
            return balances.BalanceImport(store, table)
        case Importable.CLIENTS:
            return clients.ClientImport(store, installation.passwords, normaliser, table)
        case Importable.CONTACTS:
            return ContactImport(store, normaliser, table, client_id=client_id, column=column)
        case Importable.OPT_OUTS:
            return OptOutImport(store, normaliser, table, client_id=client_id, column=column)


def _new_list(path: Path) -> TextIO:
    """A file for all problems, with its header. Raises CommandError if it cannot be written."""
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror}. Choose another file for --errors."
        ) from error
    file.write(csv_lines([("line", "problem")]))
    return file


def _bar(progress: Progress, what: str, table: Table) -> Callable[[int], None]:
    bar = progress.add_task(what, total=table.layout.rows)
    return lambda lines: progress.update(bar, completed=lines)


def _say_checked(
    kind: Importable, table: Table, problems: Problems, *, dry_run: bool, as_json: bool
) -> None:
    """Says what is wrong, or that a dry run found nothing. Raises CommandError."""
    lines = units_in_words(table.layout.rows, "line")
    if as_json:
        print_result(True, _figures(kind, table, problems, imported=0, dry_run=dry_run))
    if not problems.count:
        if not as_json:
            print_result(
                False, {}, *_sheets_in_words(table), f"{lines} can be imported. This was a dry run."
            )
        return
    shown = [*_sheets_in_words(table)]
    shown.append(f"{problems.count:,} of {lines} cannot be imported. Nothing was imported.")
    shown += [f"  line {each.line:,}: {each.message}" for each in problems.first]
    if problems.count > len(problems.first) and problems.all_in is None:
        rest = problems.count - len(problems.first)
        shown.append(f"  … and {rest:,} more. --errors FILE writes all of them to a file.")
    elif problems.all_in is not None:
        shown.append(f"All of them are in {problems.all_in.name}.")
    raise CommandError("\n".join(shown))


def _say_imported(kind: Importable, table: Table, changed: int, *, as_json: bool) -> None:
    words = units_in_words(changed, WHAT[kind])
    print_result(
        as_json,
        _figures(kind, table, Problems(), imported=changed, dry_run=False),
        *_sheets_in_words(table),
        f"{units_in_words(table.layout.rows, 'line')} read, {words} added or changed."
        + (" The others were there already." if changed < table.layout.rows else ""),
        *([NEXT[kind]] if kind in NEXT else []),
    )


def _sheets_in_words(table: Table) -> Iterator[str]:
    """Says which sheet was read, if there was a choice."""
    if table.other_sheets and table.layout.sheet is not None:
        others = ", ".join(f"“{cut(each)}”" for each in table.other_sheets)
        yield f"Only the sheet “{cut(table.layout.sheet)}” was read, not {others}."


def _figures(
    kind: Importable, table: Table, problems: Problems, *, imported: int, dry_run: bool
) -> dict[str, Any]:
    return {
        "kind": kind,
        "lines": table.layout.rows,
        "sheet": table.layout.sheet,
        "otherSheets": list(table.other_sheets),
        "imported": imported,
        "dryRun": dry_run,
        "problemCount": problems.count,
        "problems": [{"line": each.line, "message": each.message} for each in problems.first],
    }
