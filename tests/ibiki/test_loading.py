"""A command loads what it needs and nothing before: that is most of what a start takes."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from ibiki.cli.loading import load, load_in_background

HEAVY = ("aiohttp", "asyncpg", "graphql", "strawberry", "tortoise", "uvicorn", "schema")


def loaded_by(program: str) -> set[str]:
    """The heavy packages that are there once the program has run."""
    asked = f"{program}\nimport sys\nprint(*({HEAVY!r} & sys.modules.keys()))"
    asked = asked.replace(repr(HEAVY), repr(set(HEAVY)))
    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ran.stdout.split())


def test_the_command_line_itself_loads_none_of_the_program() -> None:
    assert loaded_by("import ibiki.cli.main") == set()


def test_postgres_is_started_before_the_program_is_loaded() -> None:
    assert loaded_by("import ibiki.cli.main, ibiki.local.up") == set()


def test_the_probe_itself_sees_the_program() -> None:
    assert loaded_by("import ibiki.local.all_in_one") == set(HEAVY)


def test_the_garbage_collector_works_again_afterwards() -> None:
    assert load("ibiki.cli.errors").CommandError
    assert gc.isenabled()


def test_what_is_loaded_beside_is_waited_for_with_its_failure() -> None:
    assert load_in_background("ibiki.cli.errors")().CommandError
    with pytest.raises(ModuleNotFoundError):
        load_in_background("ibiki.no_such_module")()
