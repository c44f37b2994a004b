"""Reads on a database with a year of 200 clients touch few pages, however large its tables are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from benchmarks.fill import Size, fill_database
from ibiki.local import embedded
from tests import databases, worlds

SIZE = Size(messages=20_000, queued=4_000)


@pytest.fixture(scope="module")
async def filled_url(database_template: embedded.EmbeddedDatabase) -> AsyncIterator[str]:
    """The address of a filled database."""
    async with databases.fresh_copy(database_template) as url:
        await fill_database(url, database_template.superuser_url, SIZE)
        yield url


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[None]:
    """This process is connected to the filled database, by one connection."""
    async with worlds.connected(filled_url, pool_size=1):
        yield


async def test_a_filled_database_passes_the_audit(filled: None) -> None:
    [counted] = await worlds.fetch("SELECT count(*) AS queued FROM message WHERE status = 'QUEUED'")
    assert counted["queued"] == SIZE.queued
    await worlds.assert_audit_holds()
