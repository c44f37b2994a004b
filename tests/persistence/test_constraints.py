"""The constraints, indexes, triggers and privileges of the migrated database.

Tortoise drops named constraints when it creates a table, so each one is checked. Enter a new one in
`as_migrated` as well. Partitions have what their table has.
"""

from __future__ import annotations

import asyncpg
import pytest
from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.operations import AlterModelOptions

from persistence.opening import tortoise_config
from tests.databases import OtherConnection, execute
from tests.persistence.as_migrated import CONSTRAINTS, INDEXES, STORAGE, TRIGGERS

READ_CONSTRAINTS = """
SELECT conrelid::regclass::text AS "table", conname AS name FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u', 'f', 'x')
  AND conrelid <> 'tortoise_migrations'::regclass
  AND NOT (SELECT relispartition FROM pg_class WHERE oid = conrelid)
"""
READ_INDEXES = """
SELECT indexname AS name,
       CASE WHEN indexdef LIKE 'CREATE UNIQUE %' THEN 'UNIQUE ' ELSE '' END
       || regexp_replace(indexdef, '^.* USING (btree )?', '') AS is
FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations'
  AND indexname::name NOT IN (SELECT conname FROM pg_constraint)
  AND tablename NOT IN (SELECT relname FROM pg_class WHERE relispartition)
"""
READ_TRIGGERS = """
SELECT tgname AS name, split_part(pg_get_triggerdef(oid), tgname || ' ', 2) AS is
FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0
"""
READ_STORAGE = """
SELECT relname AS name, reloptions AS options FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
  AND NOT relispartition
"""
READ_PRIVILEGES = """
SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege('transfer', privilege)
"""
READ_INDEXED_COLUMNS = """
SELECT DISTINCT attname FROM pg_attribute JOIN pg_index ON indexrelid = attrelid
WHERE indrelid = 'account'::regclass
"""


async def test_the_constraints_are_as_listed(other_connection: OtherConnection) -> None:
    expected = {
        (table, f"{table}_{name}") for table, names in CONSTRAINTS.items() for name in names.split()
    }
    rows = await other_connection.fetch(READ_CONSTRAINTS)
    assert {(row["table"], row["name"]) for row in rows} == expected


async def test_the_indexes_are_as_listed(other_connection: OtherConnection) -> None:
    rows = await other_connection.fetch(READ_INDEXES)
    assert {row["name"]: row["is"] for row in rows} == INDEXES


async def test_the_triggers_are_as_listed(other_connection: OtherConnection) -> None:
    rows = await other_connection.fetch(READ_TRIGGERS)
    assert {row["name"]: row["is"] for row in rows} == TRIGGERS


async def test_the_storage_parameters_are_as_listed(other_connection: OtherConnection) -> None:
    rows = await other_connection.fetch(READ_STORAGE)
    found = {row["name"]: dict(each.split("=") for each in row["options"]) for row in rows}
    assert found == STORAGE


async def test_no_index_prevents_hot_updates_of_a_balance(
    other_connection: OtherConnection,
) -> None:
    rows = await other_connection.fetch(READ_INDEXED_COLUMNS)
    assert not {"held", "version", "arrears"} & {row["attname"] for row in rows}


async def test_the_application_may_only_read_and_add_transfers(
    other_connection: OtherConnection,
) -> None:
    rows = await other_connection.fetch(READ_PRIVILEGES)
    assert [row["privilege"] for row in rows] == ["SELECT", "INSERT"]


async def test_models_and_migrations_agree(connected: None, worker_database_url: str) -> None:
    config = tortoise_config(worker_database_url, pool_size=1, application_name="tests")
    assert Tortoise.apps is not None
    changes = await MigrationAutodetector(Tortoise.apps, config["apps"]).changes()
    # Tortoise takes the docstring of a model as an option of the model. It is not in the database.
    assert not [
        operation
        for change in changes
        for operation in change.operations
        if not isinstance(operation, AlterModelOptions)
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfer SET note = 'changed'",
        "UPDATE transfer SET amount = 0 WHERE false",
        "DELETE FROM transfer",
        "TRUNCATE transfer",
        "TRUNCATE transfer CASCADE",
        "MERGE INTO transfer USING account ON true WHEN MATCHED THEN DELETE",
        "INSERT INTO transfer SELECT * FROM transfer LIMIT 0"
        " ON CONFLICT (id) DO UPDATE SET amount = 0",
    ],
)
async def test_a_transfer_cannot_be_changed_or_deleted(
    other_connection: OtherConnection, worker_database_url: str, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await other_connection.execute(statement)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute(worker_database_url.replace("//ibiki@", "//postgres@"), statement)


async def test_a_transfer_cannot_be_changed_even_with_the_privilege(
    other_connection: OtherConnection,
) -> None:
    async with other_connection.transaction():
        await other_connection.execute("GRANT UPDATE ON transfer TO ibiki")
        with pytest.raises(asyncpg.RestrictViolationError):
            async with other_connection.transaction():
                await other_connection.execute("UPDATE transfer SET note = 'changed'")
        await other_connection.execute("REVOKE UPDATE ON transfer FROM ibiki")
