"""The fixtures of the tests: databases are separate, and groups of xdist are kept."""

from __future__ import annotations

import asyncpg
import pytest

from ibiki.local.embedded import EmbeddedDatabase
from tests import databases


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
