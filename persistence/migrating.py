"""Brings the database to the newest migration, and says which migrations it lacks.

`migrate` differs from Tortoise's own command in five ways. It has no statement timeout. It waits
for locks in short tries, so that a waiting ALTER TABLE does not stop all other traffic on the
table. It records a migration in the transaction that applies it, so that a crash cannot leave a
migration applied and not recorded. Only one process migrates at a time. And it copies Tortoise's
state of all models only for the operations that read the copy: a copy before each operation made
a new database take 20 times as long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from tortoise import Tortoise
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.connection import get_connection
from tortoise.exceptions import BaseORMException
from tortoise.migrations import operations as ops
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.migration import Migration
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor
from tortoise.migrations.schema_generator.state import State
from tortoise.transactions import in_transaction

from domain.loops import backoff_seconds
from persistence.database import connection, fetch_value
from persistence.migration_steps import StepOutsideTransactions
from persistence.opening import tortoise_config
from persistence.servers import GONE, DatabaseUnusable, credentials, reach

FOLDER = Path(__file__).parent / "migrations"
# Read at the start: a newer release may be copied over a program that runs, and still works.
KNOWN = frozenset(path.stem for path in FOLDER.glob("[0-9]*.py"))
PACKAGE = "persistence.migrations"
APP = "ibiki"
MIGRATION_LOCK = 0x1B1C1
APPLICATION = "ibiki migrate"
IDLE_IN_TRANSACTION_SECONDS = 60
POLL_SECONDS = 0.2
PROGRESS_SECONDS = 5.0

APPLIED = "SELECT name FROM tortoise_migrations WHERE app = 'ibiki'"
TABLE = "SELECT to_regclass('tortoise_migrations') IS NOT NULL"
OLDEST_TRANSACTION = """
SELECT format('process %s (%s), open for %s s',
              pid, coalesce(nullif(application_name, ''), usename),
              extract(epoch FROM clock_timestamp() - xact_start)::int)
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY xact_start LIMIT 1
"""
# If a program was killed, PostgreSQL still builds the index that it asked for. Only the holder of
# the lock migrates, so such a session is left behind.
END_LEFT_BEHIND = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name = $1
"""
READ_ONLY_THE_NEW_STATE = (ops.CreateModel, ops.AddField, ops.RunSQL, StepOutsideTransactions)

INDEX_PROGRESS = """
SELECT coalesce(index_relid::regclass::text, 'an index') || ': ' || phase
       || CASE WHEN blocks_total > 0 THEN format(' (%s %%)', 100 * blocks_done / blocks_total)
               WHEN lockers_total > 0 THEN format(' (process %s)', current_locker_pid)
               ELSE '' END
FROM pg_stat_progress_create_index WHERE datname = current_database()
"""

Report = Callable[[str], None]
"""Called with one line for each step."""


class MigrationFailed(DatabaseUnusable):
    """A migration could not be applied. The message says what to do."""


@dataclass(frozen=True, slots=True)
class LockRules:
    """How long one statement waits for a lock, and for how long the migration tries again.

    While ALTER TABLE waits for its lock, every later query on the table waits behind it. So one
    wait must be short.
    """

    lock_seconds: float = 1.0
    longest_pause_seconds: float = 5.0
    give_up_seconds: float = 600.0


async def migrate(
    url: str,
    *,
    report: Report = lambda line: None,
    rules: LockRules | None = None,
    package: str = PACKAGE,
) -> None:
    """Applies the migrations that the database lacks. Safe to repeat and to run in parallel.

    Raises MigrationFailed. What was recorded before stays, and the next run continues after it.
    """
    rules = rules or LockRules()
    async with _lock(url, report) as guard:
        await guard.fetch(END_LEFT_BEHIND, APPLICATION)
        try:
            config = _config(url, package, rules)
            await Tortoise.init(config=config, init_connections=False)
            await _apply_pending(config, guard, report, rules)
        finally:
            await Tortoise.close_connections()


async def was_migrated() -> bool:
    """Whether any migration was applied to the connected database."""
    return bool(await fetch_value(TABLE))


async def pending_migrations() -> list[str]:
    """Names of the migrations that this program has and the connected database lacks."""
    return sorted(KNOWN - await _applied())


async def newer_migrations() -> list[str]:
    """Names of the migrations that the connected database has and this program does not know."""
    return sorted(await _applied() - KNOWN)


async def _applied() -> set[str]:
    async with connection() as pooled:
        begun = await pooled.fetchval(TABLE)
        return {row[0] for row in await pooled.fetch(APPLIED)} if begun else set()


@asynccontextmanager
async def _lock(url: str, report: Report) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Holds the advisory lock that lets one process migrate at a time.

    The lock is polled. A session that waits in pg_advisory_lock() has an open snapshot, and CREATE
    INDEX CONCURRENTLY in the process that holds the lock would wait for it for ever.
    """
    guard = await reach(**credentials(url))
    try:
        is_reported = False
        while not await guard.fetchval("SELECT pg_try_advisory_lock($1)", MIGRATION_LOCK):
            if not is_reported:
                report("Another process is migrating this database. Waiting for it.")
                is_reported = True
            await asyncio.sleep(POLL_SECONDS)
        yield guard
    finally:
        await guard.close()


def _config(url: str, package: str, rules: LockRules) -> dict[str, Any]:
    config = tortoise_config(url, pool_size=2, application_name=APPLICATION)
    # Tortoise's own client, because migrations use Tortoise's own transactions.
    config["connections"]["default"]["engine"] = "tortoise.backends.asyncpg"
    config["apps"][APP]["migrations"] = package
    config["connections"]["default"]["credentials"]["server_settings"] |= {
        "statement_timeout": "0",
        "lock_timeout": f"{int(rules.lock_seconds * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
    }
    return config


async def _apply_pending(
    config: dict[str, Any],
    guard: asyncpg.Connection[asyncpg.Record],
    report: Report,
    rules: LockRules,
) -> None:
    client = get_connection("default")
    assert isinstance(client, AsyncpgDBClient)
    executor = MigrationExecutor(client, config["apps"])
    await executor.recorder.ensure_schema(AsyncpgSchemaEditor(client, atomic=False))
    state = None
    for step in await executor.plan():
        began = time.monotonic()
        reporting = asyncio.create_task(_report_progress(guard, step.migration.name, report))
        try:
            state = await _apply_with_retries(step.migration, state, executor, report, rules)
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        report(f"{step.migration.name}: applied in {time.monotonic() - began:.1f} s.")


async def _apply_with_retries(
    migration: Migration,
    state: State | None,
    executor: MigrationExecutor,
    report: Report,
    rules: LockRules,
) -> State:
    """The state after the migration. Raises MigrationFailed.

    `state`: Tortoise's state of all models before the migration; None if it is not known yet.
    """
    client = executor.connection
    assert isinstance(client, AsyncpgDBClient)
    began = time.monotonic()
    failures = 0
    while True:
        if state is None:
            applied = await executor.recorder.applied_migrations()
            state = await executor._project_state(set(applied))
        try:
            await _apply(migration, state, client)
            return state
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as locked:
            failures += 1
            state = None  # the failed try changed a part of it
            oldest = await _oldest_transaction(client)
            if time.monotonic() - began > rules.give_up_seconds:
                raise MigrationFailed(
                    f"Migration {migration.name} could not lock its tables: other sessions hold"
                    f" them.{oldest} End that session or wait for it, then repeat the command."
                ) from locked
            if failures == 1:
                report(f"{migration.name}: waiting for a lock that another session holds.{oldest}")
            await asyncio.sleep(
                backoff_seconds(failures, longest_seconds=rules.longest_pause_seconds)
            )
        except GONE:
            raise
        except (asyncpg.PostgresError, BaseORMException) as refused:
            raise MigrationFailed(
                f"PostgreSQL refused migration {migration.name}: {refused}. {_kept(migration)}"
            ) from refused


async def _apply(migration: Migration, state: State, client: AsyncpgDBClient) -> None:
    """Applies and records the migration. Changes `state`."""
    if not migration.atomic:
        await _run(migration, state, AsyncpgSchemaEditor(client, atomic=False))
        await MigrationRecorder(client).record_applied(APP, migration.name)
        return
    async with in_transaction("default") as tx:
        await _run(migration, state, AsyncpgSchemaEditor(tx, atomic=True))
        await MigrationRecorder(tx).record_applied(APP, migration.name)


async def _run(migration: Migration, state: State, editor: AsyncpgSchemaEditor) -> None:
    """Runs the operations as `Migration.apply` does, without a copy of the state for each."""
    for operation in migration.operations:
        old_state = state if isinstance(operation, READ_ONLY_THE_NEW_STATE) else state.clone()
        operation.state_forward(APP, state)
        await migration._run_database_forward(
            operation, old_state, state, editor, supports_transactions=True
        )
    state.validate_relations_initialized()


def _kept(migration: Migration) -> str:
    if migration.atomic:
        return "Nothing of it was kept. Correct the cause, then repeat the command."
    return "Its finished steps were kept. Correct the cause, then repeat the command: it continues."


async def _oldest_transaction(client: AsyncpgDBClient) -> str:
    """A sentence after a space, or "". Usually this transaction holds the lock."""
    _, rows = await client.execute_query(OLDEST_TRANSACTION)
    return f" The oldest open transaction: {rows[0][0]}." if rows else ""


async def _report_progress(
    guard: asyncpg.Connection[asyncpg.Record], name: str, report: Report
) -> None:
    """Reports what an index build is doing, each time that it has changed."""
    last = None
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        now = await guard.fetchval(INDEX_PROGRESS)
        if now != last and now is not None:
            report(f"{name}: {now}")
        last = now
