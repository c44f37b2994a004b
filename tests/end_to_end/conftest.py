"""An installation that was started once. Tests start copies of it, which is faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.program import Api, Program, copy_of, fresh_directory, signed_in, up


@pytest.fixture(scope="session")
def installation() -> Iterator[Path]:
    """A data directory after the first start, with a database and the demo."""
    with fresh_directory() as directory:
        with up(directory) as program:
            assert program.address, "it is up"
        yield directory


@pytest.fixture(scope="module")
def program(installation: Path) -> Iterator[Program]:
    """The running program, for all tests of a module."""
    with copy_of(installation) as directory, up(directory) as running:
        yield running


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[Api]:
    """The API for the client of the demo."""
    with signed_in(program, "client@ibiki.test") as api:
        yield api


@pytest.fixture(scope="module")
def admin(program: Program) -> Iterator[Api]:
    """The API for the admin of the demo."""
    with signed_in(program, "admin@ibiki.test") as api:
        yield api
