"""`ibiki statement`: the transfers of a client with the running balance, as text or as CSV."""

from __future__ import annotations

import sys
from pathlib import Path

from domain.ledger.statement import StatementLine
from domain.ledger.statement_export import export_statement, period_of
from ibiki.cli.clients import client_named
from ibiki.cli.running import OPERATOR, console, with_installation
from ibiki.http.csv_files import csv_lines
from ibiki.http.statements import COLUMNS, statement_rows
from ibiki.local.command_context import CommandContext
from ibiki.wiring import Components
from persistence import store


def statement(data: Path, *, client: str, start: str | None, end: str | None, as_csv: bool) -> None:
    """Prints the statement page by page, oldest line first."""
    period = period_of(start, end, names=("--from", "--to"))

    async def print_all(context: CommandContext, parts: Components) -> None:
        found = await client_named(client)
        if as_csv:
            sys.stdout.write(csv_lines([COLUMNS]))
        else:
            console.print(f"{found.name}: time in UTC, units, balance after, description")
        async for page in export_statement(store, OPERATOR, found.id, period):
            if as_csv:
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
