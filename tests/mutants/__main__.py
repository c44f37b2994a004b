"""`make mutants`: changes a copy of the program by one mistake at a time, and runs the tests.

A mutant is killed if a test fails, and survives if all pass: then a test is missing. The exit code
is 1 if one survives. `python -m tests.mutants WORD...` runs those whose names contain a word.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ibiki.local import embedded
from tests import databases
from tests.mutants import of_dispatch, of_ledger, of_reconcile
from tests.mutants.mutant import ROOT, Mutant

MUTANTS: tuple[Mutant, ...] = (*of_dispatch.MUTANTS, *of_ledger.MUTANTS, *of_reconcile.MUTANTS)

LONGEST_RUN_SECONDS = 300
TESTS_PASSED, TESTS_FAILED = 0, 1
"""Exit codes of pytest. All others mean that the tests did not run as they should."""

MOST_SHOWN = 4_000
"""Characters of the output of tests that fail without a mutant: the end has the reason."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of tests ended: the exit code, and the end of its output."""

    code: int
    output: str


def main(words: Sequence[str]) -> int:
    """Runs the mutants one by one. Prints each, and how many were killed."""
    chosen = [each for each in MUTANTS if not words or any(word in each.name for word in words)]
    began = time.monotonic()
    with (
        TemporaryDirectory(prefix="ibiki-mutants-") as folder,
        databases.run_directory() as shared,
        embedded.start(shared, durable=False),
    ):
        root = Path(folder)
        os.environ[databases.SHARED] = str(shared)
        copy_tree(root)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        ended = run_tests(root, tests)
        if ended.code != TESTS_PASSED:
            print(f"{ended.output}\nThe tests fail without any mutant: repair them first.")
            return 2
        survivors = [each for each in chosen if not is_killed(root, each)]
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"{len(chosen) - len(survivors)}/{len(chosen)} killed in {minutes} min {seconds} s.")
    return 1 if survivors else 0


def copy_tree(root: Path) -> None:
    """Copies every file that is committed, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in listed.stdout.splitlines():
        if (ROOT / path).is_file():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, root / path)


def is_killed(root: Path, mutant: Mutant) -> bool:
    """Whether a test fails with this mistake. Prints it. Restores the file."""
    began = time.monotonic()
    file = root / mutant.path
    source = file.read_text()
    file.write_text(mutant.changed(source))
    forget_compiled(file)
    try:
        ended = run_tests(root, mutant.tests, own_server="migrations" in mutant.path)
        killed = ended.code == TESTS_FAILED
    finally:
        file.write_text(source)
        forget_compiled(file)
    word = "killed" if killed else "SURVIVED"
    print(f"{word:8} {time.monotonic() - began:5.1f} s  {mutant.name}", flush=True)
    return killed


def forget_compiled(file: Path) -> None:
    """Python compares a time in whole seconds and a size: two changes can look the same to it."""
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


def run_tests(root: Path, tests: Sequence[str], *, own_server: bool = False) -> Ended:
    """How pytest ended for these files, in the copy. A run that hangs counts as failed.

    All runs share one PostgreSQL and its template of a migrated database. A mutant of a migration
    needs its own.
    """
    # On a slow machine, the database of the first test takes longer than a test may.
    limit = f"--timeout={LONGEST_RUN_SECONDS}"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", limit]
    # The program is installed from this tree: the copy must be found first.
    environment = {**os.environ, "PYTHONPATH": str(root)}
    if own_server:
        environment.pop(databases.SHARED, None)
    try:
        ended = subprocess.run(
            [*command, *(f"tests/{test}" for test in tests)],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_RUN_SECONDS * (1 if len(tests) < 5 else 5),
        )
    except subprocess.TimeoutExpired:
        return Ended(TESTS_FAILED, "The tests took too long.")
    # Python itself ends with 1 too, if it cannot start pytest.
    has_failed = ended.returncode == TESTS_FAILED and re.search("failed|error", ended.stdout)
    if ended.returncode != TESTS_PASSED and not has_failed:
        raise RuntimeError(f"pytest could not run {tests}:\n{ended.stdout}\n{ended.stderr}")
    return Ended(ended.returncode, ended.stdout[-MOST_SHOWN:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
