"""Whether a database is at the newest migration: asked before a process takes work."""

from __future__ import annotations

from pathlib import Path

from persistence.database import connection

FOLDER = Path(__file__).parent / "migrations"
APPLIED = "SELECT name FROM tortoise_migrations WHERE app = 'ibiki'"
TABLE = "SELECT to_regclass('tortoise_migrations') IS NOT NULL"


async def was_migrated() -> bool:
    """Whether any migration has come to the connected database."""
    async with connection() as pooled:
        return bool(await pooled.fetchval(TABLE))


async def pending_migrations() -> list[str]:
    """Names of the migrations that this program has and the connected database has not."""
    async with connection() as pooled:
        begun = await pooled.fetchval(TABLE)
        applied = {row[0] for row in await pooled.fetch(APPLIED)} if begun else set()
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.py") if path.stem not in applied)
