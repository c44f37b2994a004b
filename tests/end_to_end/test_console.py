"""The console in a browser, against the running program: console/tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ibiki.local import console_build
from ibiki.local.console_build import SOURCES, NotBuilt

# The headless shell takes half of the CPU of a whole Chromium.
BROWSERS = ("chromium-headless-shell", "chromium")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """An environment with Node.js, Playwright and a built console."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    try:
        ready = console_build.ready_environment()
    except NotBuilt as error:
        pytest.skip(f"the console's packages cannot be installed: {error}")
    assert console_build.main() == 0
    return {**ready, "CHROMIUM": CHROMIUM, "IBIKI_PYTHON": sys.executable}


# One browser and one program for all specs: both are heavy, and each start takes seconds.
@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(1_800)
def test_the_console_works_in_a_browser(environment: dict[str, str], tmp_path: Path) -> None:
    command = [str(Path("node_modules", ".bin", "playwright")), "test", "--output", str(tmp_path)]
    ran = subprocess.run(
        command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
