"""The installation of the tests of retention."""

from __future__ import annotations

import pytest

from tests.installations import App
from tests.retention.old import Old, grown_old


@pytest.fixture
async def old(app: App, database_url: str) -> Old:
    return await grown_old(app, database_url)
