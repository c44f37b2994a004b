"""The embedded database is killed while programs use it: they start it again and go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.program import copy_of, eventually, up

RESTARTED = "the embedded database had ended, and was started again"

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]


def test_a_database_that_was_killed_is_started_again(installation: Path) -> None:
    with copy_of(installation) as directory, up(directory) as program:

        def readiness() -> int:
            return httpx.get(f"{program.address}/readyz").status_code

        eventually(lambda: readiness() == 200)
        pid_file = directory / "postgres" / "postmaster.pid"
        pid = int(pid_file.read_text().split("\n", 1)[0])
        os.killpg(pid, signal.SIGKILL)
        eventually(
            lambda: readiness() == 200 and int(pid_file.read_text().split("\n", 1)[0]) != pid
        )
        eventually(lambda: RESTARTED in "".join(program.printed))
    assert "Traceback" not in "".join(program.printed)
