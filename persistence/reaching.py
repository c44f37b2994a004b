"""Checks that the database of DATABASE_URL can be used, and explains why it cannot."""

from __future__ import annotations

import asyncpg

from domain.errors import TryAgain
from domain.transactions import Disconnected
from persistence.pool import AWAY
from persistence.servers import credentials, reach

OLDEST_MAJOR_VERSION = 16
CONNECT_SECONDS = 10.0

# Failures of the database only. AWAY has others, such as OSError, which a command may raise for
# another reason.
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
    """The database cannot be used. The message says why; it never contains a password."""


def sentence_of(failure: BaseException) -> str | None:
    """The explanation of a failure of the database; None for any other failure."""
    if isinstance(failure, asyncpg.InsufficientPrivilegeError):
        return (
            f"PostgreSQL does not let the user of DATABASE_URL do this: {failure.args[0]}."
            " Make it the owner of the database: `ALTER DATABASE … OWNER TO …`."
        )
    if isinstance(failure, GONE):
        return (
            "The connection to the database was lost. Check that the database is running, then"
            " repeat the command: it continues where it stopped."
        )
    return sentence_of(failure.__cause__) if failure.__cause__ else None


async def check_usable(url: str) -> None:
    """Raises DatabaseUnusable if the database does not let us in, or is too old."""
    known = credentials(url)
    servers = known.get("servers") or [(known["host"], known["port"])]
    address = " or ".join(f"{host}:{port}" for host, port in servers)
    try:
        connection = await reach(**known, timeout=CONNECT_SECONDS)
    except asyncpg.InvalidCatalogNameError as missing:
        raise DatabaseUnusable(
            f"PostgreSQL at {address} has no database “{known['database']}”. Create it first."
        ) from missing
    except asyncpg.InvalidAuthorizationSpecificationError as refused:
        raise DatabaseUnusable(
            f"PostgreSQL at {address} rejects the user or the password of DATABASE_URL."
        ) from refused
    except AWAY as away:
        raise DatabaseUnusable(
            f"PostgreSQL does not answer at {address}, the address of DATABASE_URL."
        ) from away
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    if version.major < OLDEST_MAJOR_VERSION:
        raise DatabaseUnusable(
            f"PostgreSQL at {address} is version {version.major}."
            f" Version {OLDEST_MAJOR_VERSION} or newer is required."
        )
