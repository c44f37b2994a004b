"""The program works through PgBouncer in transaction mode, with DATABASE_TRANSACTION_POOLER."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from domain.identity.access import OfClient
from domain.pages import Window
from ibiki.settings.settings import SettingsInvalid, load
from persistence import store
from persistence.opening import connect, disconnect
from tests import db
from tests.dispatch.parts import eventually
from tests.ports import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
SERVER_CONNECTIONS = 3
CALLERS = 8
TIMES = 3
INI = """
[databases]
{name} = host={host} dbname={name} user=ibiki
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
"""


@pytest.fixture
def pooler(database_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a PgBouncer before the database."""
    if PROGRAM is None:
        pytest.skip("not installed: pgbouncer. .ci/run installs it")
    parts = urlsplit(database_url)
    host, name, port = parse_qs(parts.query)["host"][0], parts.path[1:], free_port()
    settings = Path("/tmp") / f"ibiki-pooler-{os.getpid()}.ini"  # its user cannot enter tmp_path
    settings.write_text(INI.format(name=name, host=host, port=port, size=SERVER_CONNECTIONS))
    owner = os.stat(host)  # only this user can enter the directory of the socket
    as_owner = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [PROGRAM, str(settings)],
        stdout=log,
        stderr=log,
        **as_owner,  # type: ignore[call-overload]
    )
    try:
        yield f"postgresql://ibiki@127.0.0.1:{port}/{name}?sslmode=disable"
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        settings.unlink()


async def test_many_callers_share_few_connections_of_the_server(pooler: str) -> None:
    await eventually(lambda: _answers(pooler))
    await connect(pooler, application_name="tests", transaction_pooler=True)
    try:
        pool = await db.add_pool(held=100_000)
        tenants = [await db.add_client(pool, held=1_000) for _ in range(CALLERS)]
        await asyncio.gather(*[each(one) for one in tenants for each in (_send, _read)])
        await db.accept(tenants[0], 600, text="By COPY")
        assert sum((await db.statuses()).values()) == CALLERS * TIMES + 600
        await db.assert_audit_holds()
    finally:
        await disconnect()


def test_behind_a_transaction_pooler_live_updates_need_redis(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("DATABASE_TRANSACTION_POOLER", "true")
    with pytest.raises(SettingsInvalid, match="REDIS_URL is not set"):
        load(tmp_path)


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def _send(tenant: db.Tenant) -> None:
    for _ in range(TIMES):
        await db.accept(tenant)


async def _read(tenant: db.Tenant) -> None:
    own = OfClient(tenant.client_id)
    for _ in range(TIMES):
        await store.read_messages(own, Window(20), search="morning")
        await store.read_sends(own, Window(20))
