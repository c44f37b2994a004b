"""The days that the console filters by, where the clocks change at midnight."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CONSOLE = Path(__file__).parents[2] / "console"

SCRIPT = """
const { readFileSync } = require("fs");
const { transpile, ModuleKind } = require("typescript");
const source = readFileSync("src/text/times.ts", "utf8");
const options = { module: ModuleKind.CommonJS, target: "es2022" };
eval(transpile(source, options));
for (const days of [0, 1, 2]) console.log(exports.dayStart(process.argv[1], days).toISOString());
"""


@pytest.mark.skipif(
    not shutil.which("node") or not (CONSOLE / "node_modules/typescript").exists(),
    reason="Node or the packages of the console are not installed: cd console && npm ci",
)
@pytest.mark.parametrize(
    ("zone", "day", "starts"),
    [
        # 24 April begins at 01:00 of summer time, which is UTC+3.
        ("Africa/Cairo", "2026-04-24", ["2026-04-23T22", "2026-04-24T21", "2026-04-25T21"]),
        # 29 October has 25 hours.
        ("Africa/Cairo", "2026-10-28", ["2026-10-27T21", "2026-10-28T21", "2026-10-29T22"]),
        ("Europe/Berlin", "2026-03-29", ["2026-03-28T23", "2026-03-29T22", "2026-03-30T22"]),
        ("America/New_York", "2026-12-31", ["2026-12-31T05", "2027-01-01T05", "2027-01-02T05"]),
    ],
)
def test_each_day_begins_where_the_one_before_it_ends(
    zone: str, day: str, starts: list[str]
) -> None:
    ran = subprocess.run(
        ["node", "-e", SCRIPT, day],
        cwd=CONSOLE,
        env={"TZ": zone, "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert [line[:13] for line in ran.stdout.split()] == starts
