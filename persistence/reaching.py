"""Whether the database that an operator has named can be worked in, said in a sentence."""

from __future__ import annotations

import asyncpg

from persistence.database import AWAY, credentials

OLDEST_MAJOR_VERSION = 16
PATIENCE_SECONDS = 10.0


class DatabaseUnusable(Exception):
    """Nothing was started: the sentence says what is wrong, and never a password."""


async def check_usable(url: str) -> None:
    """Returns where it answers to this user and is new enough. Raises DatabaseUnusable."""
    known = credentials(url)
    place = f"{known['host']}:{known['port']}"
    try:
        connection = await asyncpg.connect(**known, timeout=PATIENCE_SECONDS)
    except asyncpg.InvalidCatalogNameError as missing:
        raise DatabaseUnusable(
            f"PostgreSQL at {place} has no database “{known['database']}”: make it first."
        ) from missing
    except asyncpg.InvalidAuthorizationSpecificationError as refused:
        raise DatabaseUnusable(
            f"PostgreSQL at {place} refuses the user or the password of DATABASE_URL."
        ) from refused
    except AWAY as away:
        raise DatabaseUnusable(
            f"No PostgreSQL answers at {place}, the address of DATABASE_URL."
        ) from away
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    if version.major < OLDEST_MAJOR_VERSION:
        raise DatabaseUnusable(
            f"PostgreSQL at {place} is version {version.major};"
            f" {OLDEST_MAJOR_VERSION} or newer is needed."
        )
