"""Steps for migrations of large tables: they do not block writes, and they can be repeated.

Each needs `atomic = False` on its migration. docs/writing-a-migration.md says when to use them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise.migrations.operations import TortoiseOperation

if TYPE_CHECKING:
    from tortoise.migrations.schema_editor.base import BaseSchemaEditor
    from tortoise.migrations.schema_generator.state import State

IS_VALID = """
SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND indisvalid
"""


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
        kind = "UNIQUE INDEX" if self.unique else "INDEX"
        await _execute_without_lock_timeout(
            editor,
            f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}",
            f"CREATE {kind} CONCURRENTLY {self.name} ON {self.definition}",
        )


class DropIndexConcurrently(StepOutsideTransactions):
    """DROP INDEX CONCURRENTLY, if there is one of that name."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def apply(self, editor: BaseSchemaEditor) -> None:
        """Drops the index."""
        await _execute_without_lock_timeout(
            editor, f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}"
        )


class RepeatSQL(StepOutsideTransactions):
    """Runs an UPDATE, DELETE or INSERT again and again until it changes no row.

    Each run is a transaction of its own. The statement must limit itself to some thousand rows and
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
