"""`ibiki migrate` on a database in use: no time limit, short waits for locks, safe to repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from ibiki.local import embedded
from persistence import database, migrating
from persistence.migrating import LockRules, MigrationFailed, migrate
from tests import databases
from tests.clocks import PATIENCE_SECONDS
from tests.locks import locked

Write = Callable[..., str]
"""Writes migrations, one for each source of operations. The name of their package."""

SOURCE = """
from tortoise import migrations
from tortoise.migrations import operations as ops
from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently, RepeatSQL

class Migration(migrations.Migration):
    dependencies = {dependencies}
    atomic = {atomic}
    operations = [{operations}]
"""
TABLE = 'ops.RunSQL("CREATE TABLE thing AS SELECT * FROM generate_series(1, 1000) AS number")'
READ = "SELECT count(*) FROM thing"
ALTER = 'ops.RunSQL("ALTER TABLE thing ADD COLUMN colour text")'
INDEX = 'CreateIndexConcurrently("thing_by_number", "thing (number)", unique=True)'
BUILD = "CREATE UNIQUE INDEX CONCURRENTLY thing_by_number ON thing (number)"
QUICK = LockRules(lock_seconds=0.1, longest_pause_seconds=0.1, give_up_seconds=0.5)


@pytest.fixture
async def url(database_server: embedded.EmbeddedDatabase) -> AsyncIterator[str]:
    """An empty database."""
    name = f"migrating_{uuid4().hex}"
    await databases.execute(database_server.superuser_url, f"CREATE DATABASE {name} OWNER ibiki")
    yield database_server.url.replace("/ibiki?", f"/{name}?")
    await databases.execute(database_server.superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(*migrations: str, atomic: bool = True) -> str:
        package = tmp_path / f"migrations_{uuid4().hex}"
        package.mkdir()
        (package / "__init__.py").touch()
        for number, operations in enumerate(migrations, 1):
            source = SOURCE.format(
                dependencies=[("ibiki", f"000{number - 1}_step")] if number > 1 else [],
                atomic=atomic or number == 1,
                operations=operations,
            )
            (package / f"000{number}_step.py").write_text(source)
        return package.name

    return written


async def rows(url: str, query: str) -> Sequence[asyncpg.Record]:
    """What a query returns, over a separate connection."""
    async with databases.connection_to(url) as connection:
        return await connection.fetch(query)


async def test_a_statement_may_take_longer_than_the_statement_timeout(
    url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STATEMENT_TIMEOUT_SECONDS", 1)
    await migrate(url, package=write('ops.RunSQL("SELECT pg_sleep(1.5)")'))
    assert [row["name"] for row in await rows(url, "SELECT name FROM tortoise_migrations")] == [
        "0001_step"
    ]


async def test_a_migration_that_waits_for_a_lock_does_not_stop_others(
    url: str, write: Write
) -> None:
    await migrate(url, package=write(TABLE))
    lines: list[str] = []
    rules = LockRules(lock_seconds=0.2, longest_pause_seconds=0.2, give_up_seconds=60)
    async with locked(url, READ):
        waiting = asyncio.create_task(
            migrate(url, package=write(TABLE, ALTER), report=lines.append, rules=rules)
        )
        while not lines:
            # Without a limit on the wait, this read would queue behind ALTER TABLE.
            async with asyncio.timeout(PATIENCE_SECONDS):
                await databases.execute(url, READ)
            await asyncio.sleep(0.01)
    await waiting
    assert lines[0].startswith("0002_step: waiting for a lock that another session holds. The old")
    assert lines[1].startswith("0002_step: applied in ")


async def test_a_lock_that_is_never_released_ends_with_a_sentence(url: str, write: Write) -> None:
    await migrate(url, package=write(TABLE))
    async with locked(f"{url}&application_name=a%20long%20report", READ):
        with pytest.raises(MigrationFailed, match=r"0002_step could not lock.*\(a long report\)"):
            await migrate(url, package=write(TABLE, ALTER), rules=QUICK)
    await migrate(url, package=write(TABLE, ALTER), rules=QUICK)


async def test_a_refused_statement_ends_with_a_sentence_and_the_next_run_continues(
    url: str, write: Write
) -> None:
    with pytest.raises(MigrationFailed, match=r"0002_step: .*no_such.* Nothing of it was kept\."):
        await migrate(url, package=write(TABLE, f'{ALTER}, ops.RunSQL("DROP TABLE no_such")'))
    await migrate(url, package=write(TABLE, ALTER))
    applied = await rows(url, "SELECT name FROM tortoise_migrations ORDER BY name")
    assert [row["name"] for row in applied] == ["0001_step", "0002_step"]


async def test_a_migration_is_recorded_in_the_transaction_that_applies_it(
    url: str, write: Write
) -> None:
    """Otherwise a crash between the two leaves a migration that can never be applied again."""
    await migrate(url, package=write(TABLE))
    await databases.execute(url, "ALTER TABLE tortoise_migrations ADD CHECK (name < '0002')")
    with pytest.raises(MigrationFailed):
        await migrate(url, package=write(TABLE, ALTER))
    columns = await rows(url, "SELECT attname FROM pg_attribute WHERE attname = 'colour'")
    assert columns == []


async def test_an_index_whose_build_was_interrupted_is_built_again(url: str, write: Write) -> None:
    await migrate(url, package=write(TABLE))
    await databases.execute(url, "INSERT INTO thing VALUES (1)")
    package = write(TABLE, INDEX, atomic=False)
    with pytest.raises(MigrationFailed, match=r"Its finished steps were kept\."):
        await migrate(url, package=package)  # a duplicate: PostgreSQL leaves an invalid index
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    assert [row[0] for row in await rows(url, invalid)] == ["thing_by_number"]
    await databases.execute(url, "DELETE FROM thing WHERE number = 1")
    await migrate(url, package=package)
    assert await rows(url, invalid) == []


async def test_a_build_that_a_killed_run_has_left_behind_is_ended(url: str, write: Write) -> None:
    package = write(TABLE, INDEX, atomic=False)
    await migrate(url, package=write(TABLE))
    building = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"
    async with locked(url, "INSERT INTO thing VALUES (1001)"):
        left = asyncio.create_task(
            databases.execute(f"{url}&application_name=ibiki migrate", BUILD)
        )
        while not await rows(url, building):  # noqa: ASYNC110 - of PostgreSQL
            await asyncio.sleep(0.01)
        again = asyncio.create_task(migrate(url, package=package))
        with pytest.raises(asyncpg.PostgresError, match="administrator command"):
            await left
    await again
    assert await rows(url, "SELECT FROM pg_index WHERE NOT indisvalid") == []


async def test_an_index_is_built_while_a_transaction_writes(
    url: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CREATE INDEX would wait for the transaction, and all later writes would wait for it."""
    monkeypatch.setattr(migrating, "PROGRESS_SECONDS", 0.01)
    await migrate(url, package=write(TABLE))
    lines: list[str] = []
    building = "SELECT 1 FROM pg_class WHERE relname = 'thing_by_number'"
    # The first line can be of the moment before PostgreSQL waits.
    waits = "thing_by_number: waiting for writers before build (process "
    async with locked(url, "INSERT INTO thing VALUES (1001)"):
        package = write(TABLE, INDEX, atomic=False)
        task = asyncio.create_task(migrate(url, package=package, report=lines.append, rules=QUICK))
        while not any(waits in line for line in lines) or not await rows(url, building):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await databases.execute(url, "INSERT INTO thing VALUES (1002)")
    await task


async def test_repeated_sql_continues_until_nothing_is_left(url: str, write: Write) -> None:
    repeated = (
        'RepeatSQL("WITH few AS (SELECT ctid FROM thing WHERE colour IS NULL LIMIT 300)'
        " UPDATE thing SET colour = 'red' FROM few WHERE thing.ctid = few.ctid\")"
    )
    await migrate(url, package=write(TABLE, ALTER, repeated, atomic=False))
    assert await rows(url, "SELECT FROM thing WHERE colour IS NULL") == []


async def test_a_step_that_needs_no_transaction_refuses_an_atomic_migration(
    url: str, write: Write
) -> None:
    with pytest.raises(RuntimeError, match=r"CreateIndexConcurrently needs `atomic = False`"):
        await migrate(url, package=write(TABLE, INDEX))


async def test_a_release_that_is_copied_over_a_running_program_does_not_make_it_unready(
    connected: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "9999_later.py").touch()
    monkeypatch.setattr(migrating, "FOLDER", tmp_path)
    assert await migrating.pending_migrations() == []
    assert await migrating.newer_migrations() == []
