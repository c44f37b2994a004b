"""A command only imports what it needs, because imports take most of the start-up time."""

from __future__ import annotations

import gc
import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ibiki.cli.loading import load, load_in_background
from ibiki.cli.main import app

HEAVY = (
    "aiohttp",
    "asyncpg",
    "graphql",
    "strawberry",
    "tortoise",
    "uvicorn",
    "schema.schema",
    "ibiki.processes",
)


def loaded_by(program: str) -> set[str]:
    """The heavy packages that the program has imported."""
    requested = f"{program}\nimport sys\nprint(*({HEAVY!r} & sys.modules.keys()))"
    requested = requested.replace(repr(HEAVY), repr(set(HEAVY)))
    ran = subprocess.run(
        [sys.executable, "-c", requested], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ran.stdout.split())


def test_the_command_line_imports_no_heavy_package() -> None:
    assert loaded_by("import ibiki.cli.main") == set()


def test_the_list_of_commands_imports_no_command() -> None:
    program = (
        "from ibiki.cli.main import app\nfrom typer.testing import CliRunner\n"
        "assert 'Serve the API' in CliRunner().invoke(app, ['--help']).output"
    )
    assert loaded_by(program) == set()


def test_the_list_of_commands_says_what_each_command_says() -> None:
    listed = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        first = command.help.partition("\n\n")[0].replace("\n", " ")
        assert re.search(rf"│ {name} +{re.escape(first)} +│", listed), name


def test_up_imports_no_heavy_package_before_postgres_starts() -> None:
    assert loaded_by("import ibiki.cli.main, ibiki.cli.up") == set()


def test_commands_that_do_not_serve_the_api_do_not_import_it() -> None:
    assert loaded_by("import ibiki.cli.commands").isdisjoint({"schema.schema", "ibiki.processes"})


def test_the_probe_finds_heavy_packages() -> None:
    assert loaded_by("import ibiki.all_in_one") == set(HEAVY)


def test_the_garbage_collector_is_on_after_an_import() -> None:
    assert load("ibiki.errors").CommandError
    assert gc.isenabled()


def test_a_background_import_returns_the_module_or_raises_its_error() -> None:
    assert load_in_background("ibiki.errors")().CommandError
    with pytest.raises(ModuleNotFoundError):
        load_in_background("ibiki.no_such_module")()
