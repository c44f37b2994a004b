"""Each mutant still applies to the program, so that `make mutants` does not rot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import __main__ as run
from tests.mutants.__main__ import MUTANTS
from tests.mutants.mutant import ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_mutant_applies_and_its_tests_exist(mutant: Mutant) -> None:
    changed = mutant.changed((ROOT / mutant.path).read_text())
    if mutant.path.endswith(".py"):
        compile(changed, mutant.path, "exec")
    for test in mutant.tests:
        assert (ROOT / "tests" / test).is_file()


def test_each_mutant_has_its_own_name() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("text", "killed"), [("assert 1 + 1 == 2", False), ("assert 1 + 1 == 3", True)]
)
def test_a_mutant_is_killed_if_a_test_fails(tmp_path: Path, text: str, killed: bool) -> None:
    mutant = Mutant("a mistake", "LICENSE", "Version 2.0, January", "?", ("test_it.py",))
    (tmp_path / "tests").mkdir()
    (tmp_path / "LICENSE").write_text((ROOT / "LICENSE").read_text())
    (tmp_path / "tests" / "test_it.py").write_text(f"def test_it():\n    {text}\n")
    assert run.is_killed(tmp_path, mutant) == killed
    assert (tmp_path / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
