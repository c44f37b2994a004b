"""Files of the tests, imported as the command does it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.identity.access import Role
from domain.imports.importing import Importer, Problem, check, import_lines
from domain.imports.table import Table, opened_table
from tests import people
from tests.installations import App

Make = Callable[[Table], Importer[Any, Any]]


@dataclass(frozen=True, slots=True)
class Result:
    """What an import did: the lines that it changed, or the problems that it found."""

    changed: int
    problems: Sequence[Problem]

    @property
    def lines(self) -> list[int]:
        """The lines with problems."""
        return [each.line for each in self.problems]

    @property
    def messages(self) -> list[str]:
        """What is wrong with them."""
        return [each.message for each in self.problems]


async def add_users(app: App) -> None:
    """Adds a user for each client: owner@, sibling@ and loner@example.com."""
    for name in ("owner", "sibling", "loner"):
        client_id = getattr(app, name).client_id
        await people.add_user(f"{name}@example.com", Role.CLIENT, client_id=client_id)


async def import_text(app: App, text: str | bytes, make: Make, named: Sequence[str] = ()) -> Result:
    """Checks the file, and imports it if no line has a problem."""
    content = text.encode() if isinstance(text, str) else text
    problems: list[Problem] = []
    async with opened_table(app.installation, io.BytesIO(content), named) as table:
        importer = make(table)
        count = await check(importer, table, refuse=problems.append, report=_ignore)
        assert count == len(problems)
        if problems:
            return Result(0, problems)
        return Result(await import_lines(importer, table, report=_ignore), ())


def _ignore(_lines: int) -> None:
    return None
