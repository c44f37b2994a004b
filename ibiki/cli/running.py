"""What the commands share: the installation that they work in, and how they print."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from rich.console import Console
from rich.progress import Progress

from domain.identity.access import Actor, Role
from ibiki.local.command_context import CommandContext, open_context
from ibiki.observability import logs
from ibiki.wiring import Components, running_components
from persistence import migrating

console = Console(highlight=False, markup=False)
err_console = Console(stderr=True, highlight=False, markup=False)

OPERATOR = Actor(user_id=UUID(int=0), role=Role.ADMIN, credential_id=UUID(int=0))
"""The actor of the command line."""


def with_installation(
    data: Path,
    work: Callable[[CommandContext, Components], Awaitable[Any]],
    *,
    must_exist: bool = False,
) -> Any:
    """Runs the work in an installation whose database is up to date, and returns its result.

    The embedded database is migrated first, unless `must_exist` is set.
    """

    async def run(context: CommandContext) -> Any:
        # Only `ibiki migrate` changes an external database, and read-only commands change none.
        if context.settings.database.url is None and not must_exist:
            await migrating.migrate(context.database_url)
        async with running_components(
            context, name="ibiki command", require_migrations=True
        ) as parts:
            return await work(context, parts)

    with open_context(data, must_exist=must_exist) as context:
        configure_logs(context)
        return asyncio.run(run(context))


def configure_logs(context: CommandContext) -> None:
    """Logs as the settings say."""
    monitoring = context.settings.monitoring
    logs.configure(log_format=monitoring.log_format, level=monitoring.log_level)


def busy(what: str) -> AbstractContextManager[object]:
    """Shows a status line, but only on a terminal."""
    return err_console.status(f"{what} …") if err_console.is_terminal else nullcontext()


def progress_bar(as_json: bool) -> Progress:
    """A progress bar, but only on a terminal."""
    return Progress(console=err_console, disable=as_json or not err_console.is_terminal)


def print_result(as_json: bool, figures: dict[str, Any], *lines: str) -> None:
    """Prints the figures as JSON, or the lines."""
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_APPEND_NEWLINE))
        return
    for line in lines:
        console.print(line, soft_wrap=True)
