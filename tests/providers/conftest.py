"""A simulator for a test, with an account at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.providers.simulated import Simulated, simulated


@pytest.fixture
async def simulator() -> AsyncIterator[Simulated]:
    async with simulated() as simulator:
        yield simulator
