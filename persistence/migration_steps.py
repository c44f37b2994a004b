"""Steps for migrations of large tables: they do not block writes, and they can be repeated.

Each but AddFieldOnce needs `atomic = False` on its migration. docs/writing-a-migration.md says when
to use them.
"""

from __future__ import annotations

from tortoise.migrations.operations import AddField, TortoiseOperation
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State

from persistence.partitioning import has_rows, is_partitioned, partition

IS_VALID = """
SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND indisvalid
"""
KIND = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)"
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass"
IS_ATTACHED = "SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass($1)"
HAS_COLUMN = """
SELECT 1 FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped
"""


class AddFieldOnce(AddField):
    """Adds a column, if it is not there."""

    async def database_forward(
        self,
        app_label: str,
        old_state: State,
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Adds the column."""
        if state_editor is None:
            return
        table = new_state.apps.get_model(f"{app_label}.{self.model_name}")._meta.db_table
        if not await state_editor.client.execute_query_dict(HAS_COLUMN, [table, self.name]):
            await super().database_forward(app_label, old_state, new_state, state_editor)


class StepOutsideTransactions(TortoiseOperation):
    """A step that changes no model."""

    atomic = False
    reversible = False

    async def database_forward(
        self,
        app_label: str,
        old_state: State,
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Runs the step. Raises RuntimeError in a migration that is atomic."""
        if state_editor is None:
            return
        if state_editor.atomic_migration:
            raise RuntimeError(f"{self.describe()} needs `atomic = False` on its migration.")
        await self.apply(state_editor)

    async def apply(self, editor: BaseSchemaEditor) -> None:
        """Does the work. Must be safe to repeat."""
        raise NotImplementedError


class CreateIndexConcurrently(StepOutsideTransactions):
    """CREATE INDEX CONCURRENTLY. `definition`: what follows ON, such as `message (send_id, id)`.

    An index of that name that is valid is kept. An invalid one, which an interrupted build leaves
    behind, is built again.
    """

    def __init__(self, name: str, definition: str, *, unique: bool = False) -> None:
        self.name = name
        self.definition = definition
        self.unique = unique

    async def apply(self, editor: BaseSchemaEditor) -> None:
        """Builds the index if it is not there."""
        if await editor.client.execute_query_dict(IS_VALID, [self.name]):
            return
        table, _, columns = self.definition.partition(" ")
        async with editor.client.acquire_connection() as held:
            if not await is_partitioned(held, table):
                await self._build(editor, self.name, self.definition)
                return
            # The index of a partitioned table has no entries. It becomes valid when an index of
            # each partition is attached to it.
            if not await held.fetchval(KIND, self.name):
                await held.execute(f"CREATE {self.kind} {self.name} ON ONLY {self.definition}")
            for [part] in await held.fetch(PARTITIONS, table):
                name = f"{self.name}{part.removeprefix(table)}"
                if not await held.fetchval(IS_ATTACHED, name):
                    await self._build(editor, name, f"{part} {columns}")
                    await held.execute(f"ALTER INDEX {self.name} ATTACH PARTITION {name}")

    @property
    def kind(self) -> str:
        """The words after CREATE."""
        return "UNIQUE INDEX" if self.unique else "INDEX"

    async def _build(self, editor: BaseSchemaEditor, name: str, definition: str) -> None:
        await _execute_without_lock_timeout(
            editor,
            f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
            f"CREATE {self.kind} CONCURRENTLY {name} ON {definition}",
        )


class DropIndexConcurrently(StepOutsideTransactions):
    """DROP INDEX CONCURRENTLY, if there is one of that name.

    PostgreSQL cannot do so with an index of a partitioned table: it is dropped under a lock that is
    held for a moment.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def apply(self, editor: BaseSchemaEditor) -> None:
        """Drops the index."""
        async with editor.client.acquire_connection() as held:
            if await held.fetchval(KIND, self.name) == "I":
                await held.execute(f"DROP INDEX {self.name}")
                return
        await _execute_without_lock_timeout(
            editor, f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}"
        )


class PartitionByMonth(StepOutsideTransactions):
    """Makes a table partitioned by month, with its rows in place: see `persistence.partitioning`.

    `left_out`: a trigger that the partitioned table does not get. `if_empty`: leaves a table that
    has rows as it is.
    """

    def __init__(self, table: str, *, left_out: str | None = None, if_empty: bool = False) -> None:
        self.table = table
        self.left_out = left_out
        self.if_empty = if_empty

    async def apply(self, editor: BaseSchemaEditor) -> None:
        """Partitions the table, unless it was done before."""
        async with editor.client.acquire_connection() as held:
            if not (self.if_empty and await has_rows(held, self.table)):
                await partition(held, self.table, left_out=self.left_out)


class RepeatSQL(StepOutsideTransactions):
    """Runs an UPDATE, DELETE or INSERT again and again until it changes no row.

    Each run is a separate transaction. The statement must limit itself to some thousand rows and
    must leave out those that it has changed already.
    """

    def __init__(self, statement: str) -> None:
        self.statement = statement

    async def apply(self, editor: BaseSchemaEditor) -> None:
        """Changes what is left to change."""
        async with editor.client.acquire_connection() as connection:
            while not (await connection.execute(self.statement)).endswith(" 0"):
                pass


async def _execute_without_lock_timeout(editor: BaseSchemaEditor, *statements: str) -> None:
    """Runs statements that wait for older transactions but block nobody while they wait."""
    async with editor.client.acquire_connection() as connection:
        await connection.execute("SET lock_timeout = 0")
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.execute("RESET lock_timeout")
