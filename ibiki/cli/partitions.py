"""`ibiki partitions`: lists the months of the large tables, and changes how they are stored."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from ibiki.cli.options import DEFAULT_DIRECTORY, Data, Json
from ibiki.cli.running import busy, print_result, with_installation
from ibiki.local.command_context import CommandContext
from ibiki.wiring import Components
from persistence.closing import close_months
from persistence.database import connection
from persistence.partitioning import move_events
from persistence.partitions import Partition, read_partitions, time_of

MEGABYTE = 1_000_000


app = typer.Typer()


@app.command()
def partitions(
    move: Annotated[
        bool,
        typer.Option(
            "--move",
            help="Move webhook events into months. No process of an older release may run.",
        ),
    ] = False,
    close: Annotated[
        bool,
        typer.Option(
            "--close",
            help="Store in less space which messages were sent to a number, for months that have"
            " ended. No process of an older release may run.",
        ),
    ] = False,
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """List the months that messages and events are stored by."""

    async def read(context: CommandContext, parts: Components) -> None:
        if move:
            with busy("Moving webhook events"):
                await move_events(context.database_url)
        if close:
            with busy("Closing months"):
                await close_months(context.database_url)
        async with connection() as pooled:
            found = await read_partitions(pooled)
        print_result(
            json,
            {
                "partitions": [
                    {
                        "name": each.name,
                        "table": each.table,
                        "from": _day_of(each.since),
                        "to": _day_of(each.until),
                        "bytes": each.size,
                    }
                    for each in found
                ]
            },
            *map(_line_of, found),
        )

    with_installation(data, read, must_exist=True)


def _line_of(each: Partition) -> str:
    size = f"{each.size / MEGABYTE:,.1f} MB"
    if each.is_default:
        return f"{each.name}: rows of no other partition, {size}"
    until = f"before {_day_of(each.until)}"
    since = f"from {_day_of(each.since)}, " if each.since else ""
    return f"{each.name}: {since}{until}, {size}"


def _day_of(bound: UUID | None) -> str | None:
    return f"{time_of(bound):%Y-%m-%d}" if bound else None
