"""What tests share: databases are separate, groups of xdist are kept, and data is valid."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import phonenumbers
import pytest

from ibiki.local.embedded import EmbeddedDatabase
from tests import databases, db


async def test_a_database_is_migrated_and_belongs_to_the_application(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        row = await connection.fetchrow(
            """
            SELECT current_user AS role, pg_get_userbyid(datdba) AS owner, rolsuper AS is_superuser,
                   (SELECT count(*) FROM information_schema.tables
                     WHERE table_schema = 'public') AS tables
              FROM pg_database, pg_roles
             WHERE datname = current_database() AND rolname = current_user
            """
        )
    finally:
        await connection.close()
    assert row is not None
    assert (row["role"], row["owner"], row["is_superuser"]) == ("ibiki", "ibiki", False)
    assert row["tables"] > 0


async def test_copies_of_a_database_are_independent(
    database_url: str, database_template: EmbeddedDatabase
) -> None:
    await databases.execute(database_url, "CREATE TABLE only_here ()")
    async with databases.fresh_copy(database_template) as other_url:
        await databases.execute(other_url, "CREATE TABLE only_here ()")
    await databases.execute(database_url, "DROP TABLE only_here")


@pytest.mark.xdist_group("seen")
def test_xdist_sees_the_group_of_a_test(request: pytest.FixtureRequest) -> None:
    """Without groups, two browsers run at once and delete each other's files."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@seen")


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


async def test_the_data_of_the_tests_passes_the_audit(database_url: str) -> None:
    async with db.connected(database_url):
        pool = await db.add_pool(held=500)
        group = await db.add_group(pool, held=50)
        client = await db.add_client(pool, group=group, held=100)
        school = await db.add_school(held=1_000, price=50)
        await db.accept(client)
        await db.accept(client, 20)
        await db.accept(client, texts=["one", "two"])
        await db.accept(school, 2)
        assert await db.held(client.account_id) == 100 - 23
        assert await db.held(school.account_id) == 900
        assert await db.statuses() == {"QUEUED": 25}
        await db.assert_audit_holds()


def test_generated_numbers_are_valid_and_unique() -> None:
    numbers = db.generated_numbers(3_000, skip=100_000)
    assert len(set(numbers)) == 3_000
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers)
