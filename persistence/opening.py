"""Opens and closes the pools of this process, and says what each connection is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tortoise import Tortoise
from tortoise import models as tortoise_models

from persistence import long_reads
from persistence.connections import ANSWER_SECONDS, health
from persistence.database import STATEMENT_TIMEOUT_SECONDS, pooled_client
from persistence.servers import credentials, reach

IDLE_IN_TRANSACTION_TIMEOUT_SECONDS = 5
"""How long a program that is suspended in a transaction may keep its locks."""

# PostgreSQL waits without a limit for the rest of a message. If our machine disappears in the
# middle of one, PostgreSQL notices after 11 s, not after 2 hours, and releases the locks.
KEPT_ALIVE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

# A session keeps the plans of its statements and of triggers. A plan that was made while a table
# was small reads all of it, also after it has grown, until autovacuum has made statistics. So
# PostgreSQL should use an index if there is one. Long reads and migrations are planned freely.
BY_INDEX = {"enable_seqscan": "off"}
NO_SETTINGS: Mapping[str, str] = {}

MODELS = [
    "persistence.identity.models",
    "persistence.ledger.models",
    "persistence.sending.models",
    "persistence.dispatch.models",
    "persistence.inbox.models",
    "persistence.hooks.models",
]

# Tortoise 1.1.9 parses the source of each model for comments that describe columns. We have none,
# and it takes a tenth of the time of each start.
tortoise_models._get_comments = lambda cls: {}


async def connect(
    url: str,
    *,
    pool_size: int = 20,
    application_name: str = "ibiki",
    answer_seconds: float = ANSWER_SECONDS,
    read_url: str | None = None,
    most_lag_seconds: float = long_reads.MOST_LAG_SECONDS,
    transaction_pooler: bool = False,
) -> None:
    """Opens the pools of this process. The caller closes them with `disconnect`.

    `answer_seconds`: the limit for one statement, and for the wait for a connection. `read_url`: a
    replica for long reads, used while it is at most `most_lag_seconds` behind. Nothing fails if the
    replica is unavailable.
    """
    config = tortoise_config(
        url,
        pool_size=pool_size,
        application_name=application_name,
        answer_seconds=answer_seconds,
        transaction_pooler=transaction_pooler,
        session_settings=BY_INDEX,
    )
    health.reset(answer_seconds)
    await Tortoise.init(
        config=config,
        use_tz=True,
        timezone="UTC",
        _enable_global_fallback=True,
    )
    client = pooled_client()
    if client._pool is None:
        await client.create_connection(with_db=True)
    options = [
        connection_options(
            url, application_name, answer_seconds, transaction_pooler=transaction_pooler
        )
    ]
    if read_url is not None:
        options.append(
            connection_options(
                read_url,
                application_name,
                answer_seconds,
                of_several="any",
                transaction_pooler=transaction_pooler,
            )
        )
    await long_reads.connect(*options, most_lag_seconds=most_lag_seconds)


async def disconnect() -> None:
    """Closes the pools of this process."""
    await long_reads.disconnect()
    await Tortoise.close_connections()


def tortoise_config(
    url: str,
    *,
    pool_size: int,
    application_name: str,
    answer_seconds: float | None = None,
    transaction_pooler: bool = False,
    session_settings: Mapping[str, str] = NO_SETTINGS,
) -> dict[str, Any]:
    """Tortoise's configuration for a `postgresql://` URL; `?host=` may name a socket's folder.

    `answer_seconds`: None means no limit for a statement. `session_settings`: of each session.
    """
    return {
        "connections": {
            "default": {
                "engine": "persistence.database",
                "credentials": {
                    **connection_options(
                        url,
                        application_name,
                        answer_seconds,
                        transaction_pooler=transaction_pooler,
                        session_settings=session_settings,
                    ),
                    "connect": reach,
                    # One connection at the start, to see whether PostgreSQL can be reached. No
                    # minimum afterwards: a slot of the pool is taken while asyncpg reconnects.
                    "init_size": 1,
                    "minsize": 0,
                    "maxsize": pool_size,
                    "reset": long_reads.keep,
                },
            }
        },
        "apps": {
            "ibiki": {
                "models": MODELS,
                "migrations": "persistence.migrations",
                "default_connection": "default",
            }
        },
    }


def connection_options(
    url: str,
    application_name: str,
    answer_seconds: float | None,
    *,
    of_several: str = "read-write",
    transaction_pooler: bool = False,
    session_settings: Mapping[str, str] = NO_SETTINGS,
) -> dict[str, Any]:
    """The arguments of `reach`, with what each of our sessions sets.

    `transaction_pooler`: each transaction has another session. So no statement stays prepared, and
    the role sets the limits: docs/scaling.md.
    """
    options = {
        **credentials(url, of_several=of_several),
        "command_timeout": answer_seconds,
        "timeout": answer_seconds or ANSWER_SECONDS,
    }
    settings = {"application_name": application_name, "timezone": "UTC"}
    if transaction_pooler:
        return {**options, "statement_cache_size": 0, "server_settings": settings}
    settings |= {
        "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_SECONDS}s",
        **KEPT_ALIVE,
        "jit": "off",
        **session_settings,
    }
    return {**options, "server_settings": settings}
