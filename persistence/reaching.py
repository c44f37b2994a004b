"""Whether the database that an operator has named can be worked in, said in a sentence."""

from __future__ import annotations

import asyncpg

from domain.errors import TryAgain
from domain.transactions import Disconnected
from persistence.database import credentials
from persistence.pool import AWAY

OLDEST_MAJOR_VERSION = 16
PATIENCE_SECONDS = 10.0

# Of AWAY, what can be nothing but the database; what it is told as, further in.
GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    TryAgain,
    Disconnected,
)


class DatabaseUnusable(Exception):
    """Nothing was started: the sentence says what is wrong, and never a password."""


def sentence_of(failure: BaseException) -> str | None:
    """What is said of a failure that is the database's, None of any other."""
    if isinstance(failure, asyncpg.InsufficientPrivilegeError):
        return (
            f"PostgreSQL does not let the user of DATABASE_URL do this: {failure.args[0]}."
            " Make it the owner of the database: `ALTER DATABASE … OWNER TO …`."
        )
    if isinstance(failure, GONE):
        return (
            "The database went away under the command. See that it runs, then repeat the command:"
            " it goes on where this one ended."
        )
    return sentence_of(failure.__cause__) if failure.__cause__ else None


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
