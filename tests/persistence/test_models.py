"""The models describe the tables that the migrations make: columns, types, nullability, defaults.

What models do not declare is compared with `as_migrated` in test_constraints.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tortoise import Tortoise
from tortoise.models import Model

from persistence import migrations
from tests.databases import OtherConnection
from tests.persistence.as_migrated import CONSTRAINTS, INDEXES, PRIMARY_KEYS

READ_COLUMNS = """
SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required,
       atthasdef AS has_default
FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
"""
READ_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND relname <> 'tortoise_migrations' AND NOT relispartition
"""
READ_PRIMARY_KEY = """
SELECT array_agg(attname::text ORDER BY place) FROM pg_constraint
CROSS JOIN unnest(conkey) WITH ORDINALITY AS key (attnum, place)
JOIN pg_attribute USING (attnum)
WHERE conrelid = $1::text::regclass AND contype = 'p' AND attrelid = conrelid
"""
TYPES = {
    "BIGINT": "bigint",
    "BOOL": "boolean",
    "BYTEA": "bytea",
    "INT": "integer",
    "JSONB": "jsonb",
    "SMALLINT": "smallint",
    "TEXT": "text",
    "TIMESTAMPTZ": "timestamp with time zone",
    "UUID": "uuid",
}


def models() -> dict[str, type[Model]]:
    """Every model of the program, by its table."""
    assert Tortoise.apps is not None
    return {model._meta.db_table: model for model in Tortoise.apps["ibiki"].values()}


def columns_of(model: type[Model]) -> dict[str, tuple[str, bool, bool]]:
    """The columns that a model declares: type, whether required, whether with a default."""
    return {
        field.source_field or name: (_type_of(field), not field.null, field.has_db_default())
        for name, field in model._meta.fields_map.items()
        if field.has_db_field
    }


async def test_each_table_has_a_model_and_each_model_a_table(
    connected: None, other_connection: OtherConnection
) -> None:
    tables = {row[0] for row in await other_connection.fetch(READ_TABLES)}
    assert set(models()) == tables


async def test_columns_agree_with_the_models(
    connected: None, other_connection: OtherConnection
) -> None:
    for table, model in models().items():
        rows = await other_connection.fetch(READ_COLUMNS, table)
        found = {row["name"]: (row["type"], row["required"], row["has_default"]) for row in rows}
        assert found == columns_of(model), table


async def test_primary_keys_agree_with_the_models_or_the_list(
    connected: None, other_connection: OtherConnection
) -> None:
    for table, model in models().items():
        expected = PRIMARY_KEYS.get(table, model._meta.db_pk_column)
        assert await other_connection.fetchval(READ_PRIMARY_KEY, table) == expected.split(), table


def test_the_lists_name_only_tables_of_models(connected: None) -> None:
    tables = set(models())
    assert set(CONSTRAINTS) <= tables
    assert set(PRIMARY_KEYS) <= tables
    for index in INDEXES:
        assert any(index.startswith(table) for table in tables), index


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("ALTER TABLE api_key ALTER COLUMN revoked_at SET NOT NULL", "api_key"),
        ("ALTER TABLE client ALTER COLUMN name TYPE varchar(20)", "client"),
        ("ALTER TABLE client DROP COLUMN business", "client"),
        ("ALTER TABLE client ALTER COLUMN status DROP DEFAULT", "client"),
    ],
)
async def test_a_difference_is_found(
    connected: None, undone: OtherConnection, change: str, table: str
) -> None:
    await undone.execute(change)
    rows = await undone.fetch(READ_COLUMNS, table)
    found = {row["name"]: (row["type"], row["required"], row["has_default"]) for row in rows}
    assert found != columns_of(models()[table])


def _type_of(field: Any) -> str:
    declared: str = field.get_for_dialect("postgres", "SQL_TYPE")
    if declared.startswith("VARCHAR"):
        return f"character varying({field.max_length})"
    if declared.startswith("DECIMAL"):
        return f"numeric({field.max_digits},{field.decimal_places})"
    return TYPES.get(declared, declared.lower())


def test_the_migrations_are_one_chain() -> None:
    """Two that depend on the same one would be applied in an order that is not tested."""
    files = sorted(Path(migrations.__file__).parent.glob("[0-9]*.py"))
    numbers = [int(file.name[:4]) for file in files]
    assert numbers == list(range(1, len(files) + 1))
    for before, file in pairwise(files):
        [dependency] = re.findall(r'\("ibiki", "(\w+)"\)', file.read_text())
        assert dependency == before.stem, file.name
