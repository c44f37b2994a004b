"""A command only imports what it needs, because imports take most of the start-up time."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from ibiki.cli.loading import load, load_in_background

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
    asked = f"{program}\nimport sys\nprint(*({HEAVY!r} & sys.modules.keys()))"
    asked = asked.replace(repr(HEAVY), repr(set(HEAVY)))
    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ran.stdout.split())


def test_the_command_line_imports_no_heavy_package() -> None:
    assert loaded_by("import ibiki.cli.main") == set()


def test_up_imports_no_heavy_package_before_postgres_starts() -> None:
    assert loaded_by("import ibiki.cli.main, ibiki.local.up") == set()


def test_commands_that_do_not_serve_the_api_do_not_import_it() -> None:
    assert loaded_by("import ibiki.cli.commands").isdisjoint({"schema.schema", "ibiki.processes"})


def test_the_probe_finds_heavy_packages() -> None:
    assert loaded_by("import ibiki.local.all_in_one") == set(HEAVY)


def test_the_garbage_collector_is_on_after_an_import() -> None:
    assert load("ibiki.cli.errors").CommandError
    assert gc.isenabled()


def test_a_background_import_returns_the_module_or_raises_its_error() -> None:
    assert load_in_background("ibiki.cli.errors")().CommandError
    with pytest.raises(ModuleNotFoundError):
        load_in_background("ibiki.no_such_module")()
