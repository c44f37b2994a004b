"""The examples of docs/api, run against the program exactly as they are written."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.program import Program, clean_environment

pytestmark = [
    pytest.mark.xdist_group("up"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]

DOCS = Path(__file__).parents[2] / "docs/api"
PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name != "README.md")
EXPECTED = "# -> "


def commands_of(page: str) -> str:
    """The shell commands of a page."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S))


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_answer_as_it_says(
    program: Program, page: str, tmp_path: Path
) -> None:
    setup = commands_of("README.md").replace("http://127.0.0.1:8000", program.address)
    setup = setup.replace(".ibiki/demo-password", str(program.directory / "demo-password"))
    ran = subprocess.run(
        ["bash", "-euc", f"{setup}\n{commands_of(page)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
        env=clean_environment(),
    )
    lines = commands_of(page).splitlines()
    expected = [line.removeprefix(EXPECTED) for line in lines if line.startswith(EXPECTED)]
    answers = ran.stdout.splitlines()
    assert len(answers) == len(expected), ran.stdout
    for answer, wanted in zip(answers, expected, strict=True):
        pattern = ".*".join(re.escape(part) for part in wanted.split("…"))
        assert re.fullmatch(pattern, answer), f"{answer}\nis not\n{wanted}"
