"""Reads on a database with a year of 200 clients touch few pages, however large its tables are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from benchmarks.fill import Size, fill_database
from domain.ledger.balances import BalanceView
from domain.ledger.book import TransferKind
from domain.ledger.statement import StatementFilter
from domain.pages import Window
from ibiki.local import embedded
from persistence.ledger.statement import read_statement
from tests import databases, worlds
from tests.persistence.test_reads_stay_small import PLANNING, work_of

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
        # Otherwise PostgreSQL counts the work of this test later, as work of the next one.
        await worlds.execute("SELECT pg_stat_force_next_flush()")


async def test_a_filled_database_passes_the_audit(filled: None) -> None:
    [counted] = await worlds.fetch("SELECT count(*) AS queued FROM message WHERE status = 'QUEUED'")
    assert counted["queued"] == SIZE.queued
    await worlds.assert_audit_holds()


@pytest.mark.parametrize("kind", [TransferKind.ALLOCATION, TransferKind.SYNC])
async def test_a_statement_by_kind_reads_few_other_lines(filled: None, kind: TransferKind) -> None:
    [busy] = await worlds.fetch("SELECT id FROM client ORDER BY id LIMIT 1")
    for view in (BalanceView(client_id=busy["id"]), BalanceView()):
        for _ in range(7):  # from the sixth time on, PostgreSQL may plan for any values
            read = read_statement(view, Window(50), filter=StatementFilter(kind=kind))
            work = await work_of(read, ["transfer"])
            assert not work.scans["transfer"], work
            assert work.rows["transfer"] <= 260 + PLANNING, work
