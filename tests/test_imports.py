"""Imports follow the arrows of ARCHITECTURE.md, and a wrong import breaks a contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ibiki", "schema", "resolvers", "domain", "persistence", "providers")
AREAS = ("identity", "ledger", "sending", "dispatch", "inbox", "hooks", "live")

# Each goes against an arrow, or imports a library outside its one package.
WRONG = (
    ("domain", "ibiki"),
    ("domain", "schema"),
    ("domain", "resolvers"),
    ("domain", "persistence"),
    ("domain", "providers"),
    ("domain", "strawberry"),
    ("domain", "tortoise"),
    ("domain", "asyncpg"),
    ("domain", "aiohttp"),
    ("domain", "starlette"),
    ("domain", "structlog"),
    ("domain", "pydantic"),
    ("persistence", "ibiki"),
    ("persistence", "schema"),
    ("persistence", "resolvers"),
    ("persistence", "providers"),
    ("persistence", "graphql"),
    ("persistence", "aiohttp"),
    ("persistence", "starlette"),
    ("providers", "ibiki"),
    ("providers", "schema"),
    ("providers", "resolvers"),
    ("providers", "persistence"),
    ("providers", "asyncpg"),
    ("providers", "starlette"),
    ("resolvers", "ibiki"),
    ("resolvers", "schema"),
    ("resolvers", "persistence"),
    ("resolvers", "providers"),
    ("resolvers", "tortoise"),
    ("resolvers", "aiohttp"),
    ("resolvers", "uvicorn"),
    ("schema", "ibiki"),
    ("schema", "persistence"),
    ("schema", "providers"),
    ("schema", "asyncpg"),
    ("schema", "starlette"),
    ("ibiki", "strawberry"),
    ("ibiki", "asyncpg"),
    ("ibiki", "aiohttp"),
)


def test_imports_follow_the_arrows() -> None:
    checked = lint_imports(ROOT)
    assert checked.returncode == 0, checked.stdout


def test_files_import_each_other_in_no_circle() -> None:
    """Imports for types alone count too: a reader follows them as well."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    imported = {each: graph.find_modules_directly_imported_by(each) for each in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as found:
        pytest.fail(f"{found.args[0]}: {' <- '.join(found.args[1])}")


@pytest.fixture(scope="module")
def broken_copy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter reports about a project in which every wrong import is made."""
    project = tmp_path_factory.mktemp("broken")
    shutil.copy(ROOT / "pyproject.toml", project)
    for folder in (*PACKAGES, *(f"domain/{area}" for area in AREAS)):
        (project / folder).mkdir()
        (project / folder / "__init__.py").touch()
        (project / folder / "target.py").touch()
    for module in ("imports", "retention", "installation"):
        (project / f"domain/{module}.py").touch()
    for package, imported in WRONG:
        target = f"{imported}.target" if imported in PACKAGES else imported
        (project / package / f"to_{imported}.py").write_text(f"import {target}\n")
    for lower, upper in pairwise(AREAS):
        (project / "domain" / lower / "upwards.py").write_text(f"import domain.{upper}.target\n")
    return lint_imports(project).stdout


@pytest.mark.parametrize(("package", "imported"), WRONG)
def test_an_import_against_the_arrows_is_noticed(
    broken_copy: str, package: str, imported: str
) -> None:
    assert f"{package}.to_{imported} -> {imported}" in broken_copy


@pytest.mark.parametrize(("lower", "upper"), list(pairwise(AREAS)))
def test_an_area_that_imports_the_next_one_up_is_noticed(
    broken_copy: str, lower: str, upper: str
) -> None:
    assert f"domain.{lower}.upwards -> domain.{upper}.target" in broken_copy


def test_every_contract_can_break(broken_copy: str) -> None:
    assert "Contracts: 0 kept, " in broken_copy


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
