"""An installation that was started once. Tests start copies of it, which is faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.program import fresh_directory, up


@pytest.fixture(scope="session")
def installation() -> Iterator[Path]:
    """A data directory after the first start, with a database and the demo."""
    with fresh_directory() as directory:
        with up(directory) as program:
            assert program.address, "it is up"
        yield directory
