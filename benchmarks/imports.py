"""`ibiki import legacy-logs`: 100,000 lines, or IMPORT_LINES, and the same with one wrong line.

The memory must not depend on the number of lines: run it with 1,000,000 as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.databases import Database, new_database
from benchmarks.measurement import Measurement
from tests.end_to_end.program import clean_environment

LINES = int(os.environ.get("IMPORT_LINES", "100000"))
MOST_MEBIBYTES = 256

HEADER = "client_email,created_at,message_count,charged,reference\n"


def main() -> list[Measurement]:
    """Seconds and peak memory of the whole command, with its start."""
    with new_database() as db:
        _ibiki(db, "demo")
        file = db.directory / "logs.csv"
        wrong = _measure(db, file, wrong_line=LINES * 7 // 10, expected=1)
        right = _measure(db, file, wrong_line=None, expected=0)
    return [
        Measurement(f"{LINES:,} lines, one is wrong", wrong[0], "s"),
        Measurement(f"{LINES:,} lines", right[0], "s"),
        Measurement("peak memory", max(wrong[1], right[1]), "MiB", at_most=MOST_MEBIBYTES),
    ]


def _measure(
    db: Database, file: Path, *, wrong_line: int | None, expected: int
) -> tuple[float, float]:
    """The seconds and the MiB of one import."""
    with file.open("w") as written:
        written.writelines(_lines(wrong_line))
    began = time.perf_counter()
    code, kibibytes = _ibiki(db, "import", "legacy-logs", str(file))
    assert code == expected
    return time.perf_counter() - began, kibibytes / 1024


def _lines(wrong_line: int | None) -> Iterator[str]:
    yield HEADER
    for each in range(LINES):
        email = "client@ibiki.test" if each % 2 else "other@ibiki.test"
        charged = "a lot" if each == wrong_line else "0.03"
        yield f"{email},2026-01-{1 + each % 28:02} 08:00:00,1,{charged},log-{each}\n"


def _ibiki(db: Database, *arguments: str) -> tuple[int, int]:
    """The exit code of a command, and its peak memory in KiB."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ibiki", *arguments, "--data", str(db.directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used.ru_maxrss
