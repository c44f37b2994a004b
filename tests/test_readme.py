"""The README is true: its numbers and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from ibiki.cli.main import app
from providers.simulator.behaviours import table_of_numbers

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_magic_numbers_are_those_of_the_simulator() -> None:
    assert table_of_numbers() in README


def test_it_lists_exactly_the_commands_that_exist() -> None:
    listed = set(re.findall(r"^\| `ibiki ([a-z-]+)` \|", README, re.MULTILINE))
    assert listed == set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_readme_begins_with_the_two_commands() -> None:
    opening = README.split("\n## ")[0]
    assert opening.index("make run") < opening.index("make test")
