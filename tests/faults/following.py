"""A streaming standby in these tests, and its promotion.

standby = await follow(primary, directory)          # pg_basebackup, then streaming
await set_synchronous(primary, NAME)                # each COMMIT waits for it from now on
primary.kill()
await promote(standby)
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.postgres import Postgres
from tests.faults.volume import Volume

NAME = "standby"
"""The name by which `synchronous_standby_names` knows it."""

WAIT_SECONDS = 60.0

STREAMING = f"SELECT state = 'streaming' FROM pg_stat_replication WHERE application_name = '{NAME}'"
SYNCHRONOUS = (
    f"SELECT sync_state = 'sync' FROM pg_stat_replication WHERE application_name = '{NAME}'"
)


def places_of_postgres(volume: Volume) -> Sequence[Path]:
    """The directories of the two servers. The first one is the first primary."""
    return volume.path / "data", volume.path / "data-2"


async def follow(
    primary: Postgres,
    directory: Path,
    *,
    through: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Postgres:
    """A running standby. It replaces what is in the directory. Returns when it streams.

    `through`: a folder in which another socket leads to the primary, such as a slow one.
    """
    shutil.rmtree(directory, ignore_errors=True)
    standby = Postgres(directory, environment or {})
    server = through or primary.socket.parent
    await asyncio.to_thread(
        standby.copy, primary, f"host={server} user=postgres application_name={NAME}"
    )
    await standby.ensure_running()
    await until(primary, STREAMING)
    return standby


async def set_synchronous(primary: Postgres, names: str) -> None:
    """From now on, COMMIT waits for these standbys. Without a name, it waits for none.

    If our standby is named, returns when PostgreSQL counts it as synchronous.
    """
    await primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await primary.ask("SELECT pg_reload_conf()")
    if names == NAME:
        await until(primary, SYNCHRONOUS)


async def promote(standby: Postgres) -> None:
    """Makes the standby a primary that waits for no other server."""
    assert await standby.ask("SELECT pg_promote(true, 60)")
    await set_synchronous(standby, "")


async def until(server: Postgres, question: str) -> None:
    """Returns when the answer to the question is true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await server.ask(question):  # noqa: ASYNC110 - another server changes it
            await asyncio.sleep(0.02)
