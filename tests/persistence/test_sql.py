"""Which modules have SQL: docs/decisions/0152 has the list, and each says why."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "decisions" / "0152-which-queries-are-sql.md"
RUNS_SQL = {"fetch", "fetchrow", "fetchval", "execute", "executemany"}


def modules_with_sql() -> dict[str, str]:
    """The docstring of each module of an area that runs SQL, by its path."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "persistence").glob("*/*.py")):
        tree = ast.parse(path.read_text())
        calls = {
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        if path.parent.name != "migrations" and calls & RUNS_SQL:
            found[f"{path.parent.name}/{path.stem}"] = ast.get_docstring(tree) or ""
    return found


def listed_modules() -> set[str]:
    table = "".join(line for line in PAGE.read_text().splitlines() if line.startswith("|"))
    listed: set[str] = set()
    for area, several, one in re.findall(r"`(\w+)/(?:\{([\w,]+)\}|(\w+))`", table):
        listed |= {f"{area}/{name}" for name in (several or one).split(",")}
    return listed


def test_the_page_lists_each_module_that_runs_sql() -> None:
    assert set(modules_with_sql()) - listed_modules() == set()


def test_the_page_lists_only_modules_that_exist() -> None:
    gone = [name for name in listed_modules() if not (ROOT / f"persistence/{name}.py").exists()]
    assert gone == []


def test_each_module_that_has_sql_says_why() -> None:
    assert [name for name, words in modules_with_sql().items() if "SQL" not in words] == []
