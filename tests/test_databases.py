"""Two test runs that start together can both remove what killed runs have left."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import databases


def test_runs_may_clear_up_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_hour_later = time.time() + 3600
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(time, "time", lambda: an_hour_later)
    with ThreadPoolExecutor(8) as runs:
        for _ in range(20):
            for number in range(10):
                (tmp_path / f"ibiki-tests-{number}" / "below").mkdir(parents=True)
            done = [runs.submit(databases.clear_up_after_killed_runs) for _ in range(8)]
            for each in done:
                each.result()
            databases.clear_up_after_killed_runs()
            assert list(tmp_path.iterdir()) == []
