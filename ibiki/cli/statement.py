"""`ibiki statement`: the transfers of a client with the running balance, as text or as CSV."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from domain.ledger.statement import StatementLine
from domain.ledger.statement_export import export_statement, period_of
from ibiki.cli.clients import client_named
from ibiki.cli.options import DEFAULT_DIRECTORY, Data, NamedClient
from ibiki.cli.running import OPERATOR, console, with_installation
from ibiki.http.csv_files import csv_lines
from ibiki.http.exports import STATEMENT_COLUMNS, statement_rows
from ibiki.local.command_context import CommandContext
from ibiki.wiring import Components
from persistence import store

app = typer.Typer()


@app.command()
def statement(
    client: NamedClient,
    start: Annotated[
        str, typer.Option("--from", help="From this date or time on (2026-11-01), in UTC.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", help="To the end of this date, or before this time, in UTC.")
    ] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Print the transfers of a client with the running balance, oldest first."""
    period = period_of(start or None, end or None, names=("--from", "--to"))

    async def print_all(context: CommandContext, parts: Components) -> None:
        found = await client_named(client)
        if csv:
            sys.stdout.write(csv_lines([STATEMENT_COLUMNS]))
        else:
            console.print(f"{found.name}: time in UTC, units, balance after, description")
        async for page in export_statement(store, OPERATOR, found.id, period):
            if csv:
                sys.stdout.write(csv_lines(statement_rows(page)))
                continue
            for line in page:
                console.print(_in_words(line), soft_wrap=True)

    with_installation(data, print_all, must_exist=True)


def _in_words(line: StatementLine) -> str:
    return (
        f"{line.created_at:%Y-%m-%d %H:%M:%S}  {line.amount:>+15,}  {line.balance_after:>15,}"
        f"  {line.description}"
    )
