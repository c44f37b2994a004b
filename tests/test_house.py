"""Imports follow the arrows of ARCHITECTURE.md, and the contracts that say so would notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ibiki", "schema", "resolvers", "domain", "persistence", "providers")

# Each against an arrow, or out of its library's one home.
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


@pytest.fixture(scope="module")
def crooked_house(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a house in which every wrong import is made."""
    house = tmp_path_factory.mktemp("crooked")
    shutil.copy(ROOT / "pyproject.toml", house)
    for package in PACKAGES:
        (house / package).mkdir()
        (house / package / "__init__.py").touch()
        (house / package / "target.py").touch()
    for package, imported in WRONG:
        target = f"{imported}.target" if imported in PACKAGES else imported
        (house / package / f"to_{imported}.py").write_text(f"import {target}\n")
    return lint_imports(house).stdout


@pytest.mark.parametrize(("package", "imported"), WRONG)
def test_an_import_against_the_arrows_is_noticed(
    crooked_house: str, package: str, imported: str
) -> None:
    assert f"{package}.to_{imported} -> {imported}" in crooked_house


def test_every_contract_can_break(crooked_house: str) -> None:
    assert "Contracts: 0 kept, " in crooked_house


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=house,
        capture_output=True,
        text=True,
        check=False,
    )
