"""The servers of DATABASE_URL: one, or several of which only the primary takes writes.

asyncpg tries several servers one after the other, within one time limit. A machine that is lost
does not refuse a connection: it would use up the time before the next server is tried. So `reach`
tries the next server after a moment, beside the first. `check_usable` explains why a server cannot
be used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from domain.errors import TryAgain
from domain.transactions import Disconnected, reason_of
from persistence import types_of_postgresql

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Trying: TypeAlias = "list[asyncio.Task[Connection]]"

# What asyncpg and the system raise if PostgreSQL is unavailable, restarting, silent or out of
# resources, if it cancelled the statement, or if it closed the connection.
UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,  # the password was changed, or access ended
    asyncpg.InvalidCatalogNameError,  # the database is being replaced by another one
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is not, or not yet, the primary
    asyncpg.QueryCanceledError,  # by its own timeout, or because its clock was set
    asyncpg.DeadlockDetectedError,  # it was rolled back: the same transaction succeeds if repeated
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection was lost between two statements
    ConnectionError,
    TimeoutError,
    OSError,
)

NEXT_SECONDS = 0.25
"""How long a server has to answer before the next one is tried, too."""

DEFAULT_PORT = 5432


def credentials(url: str, *, of_several: str = "read-write") -> dict[str, Any]:
    """The arguments of `reach` for such a URL. `host` and `port` are of the first server.

    Several servers are separated by commas: `postgresql://user@one:5432,two:5432/name`, or in
    `?host=`. `of_several`: which of them is used, unless the URL has `target_session_attrs`.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    named = options.get("host") or parts.netloc.rpartition("@")[2] or "localhost"
    servers = _servers_of(named, options.get("port", ""))
    wanted = options.get("target_session_attrs", of_several if len(servers) > 1 else None)
    return {
        "host": servers[0][0],
        "port": servers[0][1],
        "user": unquote(parts.username or "") or options.get("user") or "postgres",
        "password": unquote(parts.password or "") or None,
        "database": unquote(parts.path.lstrip("/")) or "ibiki",
        **({"ssl": options["sslmode"]} if "sslmode" in options else {}),
        **({"target_session_attrs": wanted} if wanted else {}),
        **({"servers": servers} if len(servers) > 1 else {}),
    }


async def reach(
    _dsn: None = None, /, *, servers: Sequence[tuple[str, int]] = (), **arguments: Any
) -> Connection:
    """A connection to the first of the servers that answers and is the wanted one.

    `_dsn`: Tortoise's pool passes it on, and has none.
    """
    arguments["connection_class"] = types_of_postgresql.Connection
    if not servers:
        return await asyncpg.connect(**arguments)
    trying: Trying = []
    reached: Connection | None = None
    try:
        for host, port in servers:
            options = {**arguments, "host": host, "port": port}
            trying.append(asyncio.create_task(asyncpg.connect(**options)))
            reached = await _first(trying, seconds=NEXT_SECONDS)
            if reached is not None:
                return reached
        reached = await _first(trying, seconds=None)
        if reached is not None:
            return reached
        raise _failure_of(trying)
    finally:
        for task in trying:
            _drop(task, but=reached)


async def _first(trying: Trying, *, seconds: float | None) -> Connection | None:
    """The first connection. None if all have failed, or if none was made in time."""
    loop = asyncio.get_running_loop()
    give_up_at = None if seconds is None else loop.time() + seconds
    while True:
        for task in trying:
            if task.done() and task.exception() is None:
                return task.result()
        pending = [task for task in trying if not task.done()]
        left = None if give_up_at is None else give_up_at - loop.time()
        if not pending or (left is not None and left <= 0):
            return None
        await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _failure_of(trying: Trying) -> BaseException:
    """The exception to raise if no server can be used: from a server that answered, if one did."""
    failures = [failure for task in trying if (failure := task.exception()) is not None]
    answered = [each for each in failures if isinstance(each, asyncpg.PostgresError)]
    return (answered or failures)[0]


def _drop(task: asyncio.Task[Connection], *, but: Connection | None) -> None:
    """Ends a try. A connection that it has made, or makes now, is closed."""

    def close(ended: asyncio.Task[Connection]) -> None:
        if not ended.cancelled() and ended.exception() is None and ended.result() is not but:
            ended.result().terminate()

    task.add_done_callback(close)
    task.cancel()


def _servers_of(named: str, ports: str) -> list[tuple[str, int]]:
    """Hosts and ports. `ports`: of all servers, or one for each; a port in `named` overrides it."""
    hosts = named.split(",")
    given = ports.split(",") if ports else [""]
    by_host = given if len(given) == len(hosts) else given[:1] * len(hosts)
    return [_server_of(host, port) for host, port in zip(hosts, by_host, strict=True)]


def _server_of(named: str, port: str) -> tuple[str, int]:
    if named.startswith("/"):  # the folder of a socket
        return named, int(port or DEFAULT_PORT)
    if named.startswith("["):  # an IPv6 address
        host, _, own = named[1:].partition("]")
        own = own.removeprefix(":")
    else:
        host, _, own = named.partition(":")
    return unquote(host) or "localhost", int(own or port or DEFAULT_PORT)


OLDEST_MAJOR_VERSION = 16
ENCODING = "UTF8"
CONNECT_SECONDS = 10.0

# Failures of the database only. UNAVAILABLE has others, such as OSError, which a command may raise
# for another reason.
GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    TryAgain,
    Disconnected,
)


class DatabaseUnusable(Exception):
    """The database cannot be used. The message says why; it never contains a password."""


def sentence_of(failure: BaseException) -> str | None:
    """The explanation of a failure of the database; None for any other failure."""
    if isinstance(failure, DatabaseUnusable):
        return str(failure)
    if isinstance(failure, asyncpg.InsufficientPrivilegeError):
        if failure.args[0].endswith("Permission denied"):  # of a file: no role can change that
            return (
                f"PostgreSQL cannot use its own files: {failure.args[0]}. Give all files of its"
                " data directory to the user that it runs as, with `chown -R`."
            )
        return (
            f"PostgreSQL does not let the user of DATABASE_URL do this: {failure.args[0]}."
            " Make it the owner of the database: `ALTER DATABASE … OWNER TO …`."
        )
    if isinstance(failure, GONE):
        return (
            f"The database is unavailable{reason_of(failure)}. Check that it is running, that its"
            " disk has space, and that it is not a standby. Then repeat the command: it continues"
            " where it stopped."
        )
    return sentence_of(failure.__cause__) if failure.__cause__ else None


async def check_usable(url: str) -> None:
    """Raises DatabaseUnusable if the database refuses us, is too old, or is not in UTF-8."""
    known = credentials(url)
    servers = known.get("servers") or [(known["host"], known["port"])]
    address = " or ".join(
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in servers
    )
    try:
        connection = await reach(**known, timeout=CONNECT_SECONDS)
    except asyncpg.InvalidCatalogNameError as missing:
        raise DatabaseUnusable(
            f"PostgreSQL at {address} has no database “{known['database']}”. Create it first."
        ) from missing
    except asyncpg.InvalidAuthorizationSpecificationError as refused:
        raise DatabaseUnusable(
            f"PostgreSQL at {address} rejects the user or the password of DATABASE_URL."
            " Correct them there."
        ) from refused
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ssl.SSLError) as failure:
        # The server has answered, or the rest of the URL is wrong. The reason has no password.
        raise DatabaseUnusable(
            f"PostgreSQL at {address} cannot be used as DATABASE_URL says{reason_of(failure)}."
        ) from failure
    except UNAVAILABLE as failure:
        raise DatabaseUnusable(
            f"PostgreSQL cannot be reached at {address}, the address of DATABASE_URL"
            f"{reason_of(failure)}. Check that it runs, and that the address is right."
        ) from failure
    try:
        version = connection.get_server_version()
        encoding = connection.get_settings().server_encoding
    finally:
        await connection.close()
    if version.major < OLDEST_MAJOR_VERSION:
        raise DatabaseUnusable(
            f"PostgreSQL at {address} is version {version.major}."
            f" Version {OLDEST_MAJOR_VERSION} or newer is required."
        )
    if encoding != ENCODING:
        raise DatabaseUnusable(
            f"The database “{known['database']}” at {address} has the encoding {encoding}, which"
            " cannot store every text. Create a database with: CREATE DATABASE … ENCODING 'UTF8'"
            " LOCALE 'C.UTF-8' TEMPLATE template0."
        )
