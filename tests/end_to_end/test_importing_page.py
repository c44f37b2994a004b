"""The commands of docs/importing.md, run as they are written while the program is up."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.program import clean_environment, copy_of, up

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/importing.md").read_text()
EXPECTED = "# -> "


def test_the_commands_of_the_page_print_what_it_says(installation: Path) -> None:
    (commands,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    setup = f'ibiki() {{ {sys.executable} -m ibiki "$@"; }}\n'
    with copy_of(installation) as directory, up(directory) as program:
        assert program.address, "it is up"
        ran = subprocess.run(
            ["bash", "-euc", setup + commands],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
            env=clean_environment() | {"IBIKI_DATA": str(directory)},
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    expected = [line for line in commands.splitlines() if line.startswith(EXPECTED)]
    printed = ran.stdout.splitlines()
    assert len(printed) == len(expected), ran.stdout
    for line, wanted in zip(printed, expected, strict=True):
        pattern = ".*".join(map(re.escape, wanted.removeprefix(EXPECTED).split("…")))
        assert re.fullmatch(pattern, line), f"{line}\nis not\n{wanted}"


def test_every_example_file_is_used() -> None:
    files = {path.name for path in (ROOT / "docs/importing").iterdir()}
    assert files == set(re.findall(r"docs/importing/([\w-]+\.csv)", PAGE))
