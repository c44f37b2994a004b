"""A backup under load, the log of changes, kill -9, and a restore to a point in time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from domain.dispatch.restored import DispatchersRunning, doubt_queued
from domain.provider import Accepted
from ibiki.errors import CommandError
from ibiki.local import backup as backups
from ibiki.local import embedded
from ibiki.local.cluster import Cluster, locate
from ibiki.local.command_context import RESTORED, NotInstalled, check_settled
from persistence import store
from persistence.opening import connect, disconnect
from tests import db
from tests.conftest import run_directory_of
from tests.dispatch.job_program import writer
from tests.dispatch.parts import answered, eventually, marked
from tests.end_to_end.program import run
from tests.faults.standby import Standby, copied_server


@asynccontextmanager
async def sending(tenant: db.Tenant) -> AsyncIterator[list[str]]:
    """Sends one message after the other. The IDs of those that were accepted."""
    accepted: list[str] = []
    over = asyncio.Event()

    async def send() -> None:
        while not over.is_set():
            accepted.append(str((await db.accept(tenant)).id))

    task = asyncio.create_task(send())
    try:
        yield accepted
    finally:
        over.set()  # a COMMIT that was cancelled could succeed a moment later
        await task


@pytest.fixture
async def main(
    tmp_path: Path, pytestconfig: pytest.Config, database_template: embedded.EmbeddedDatabase
) -> AsyncIterator[Standby]:
    """A separate server, whose data directory also has a key."""
    template = locate(run_directory_of(pytestconfig), durable=False)
    server = await asyncio.to_thread(copied_server, template, tmp_path / "data")
    (tmp_path / "data" / "secret-key").write_text("a key of the installation, 32 bytes or more\n")
    yield server
    server.stop()


async def test_a_restore_has_what_was_accepted_before_and_sends_nothing_twice(
    main: Standby, tmp_path: Path
) -> None:
    data, kept, restored = tmp_path / "data", tmp_path / "kept", tmp_path / "restored"
    first = await asyncio.to_thread(backups.backup, data, kept)
    assert not first.archives, "the server has to be restarted once"
    main.stop()
    main.start()
    await connect(main.url(), application_name="tests")
    try:
        tenant = await db.add_client(await db.add_pool(held=1_000_000), held=100_000)
        sent = (await db.accept(tenant)).id
        for call in await marked(tenant.pool):
            await answered(tenant.pool, call, Accepted("ref-1"))
        later = await db.accept(tenant, send_at=datetime(2040, 1, 1, tzinfo=UTC))
        async with sending(tenant) as accepted:
            second = await asyncio.to_thread(backups.backup, data, kept)
            assert second.archives
            enough = len(accepted) + 20
            await eventually(lambda: _more(accepted, enough))
        before = await db.fetch("SELECT id FROM send ORDER BY id")
        point = (await db.fetch("SELECT clock_timestamp() AS now"))[0]["now"]
        lost = await db.accept(tenant, 3)
        await _archived(main.cluster)
        _kill(main.cluster)
    finally:
        await disconnect()

    ended = await asyncio.to_thread(
        run, "restore", str(kept), "--to", point.isoformat(), "--data", str(restored)
    )
    queued = len(before) - 2
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"UNKNOWN now: {queued:,} messages." in ended.stdout
    assert second.path.name in ended.stdout, "the copy with the fewest changes to apply"
    assert (restored / "secret-key").exists()
    assert not (restored / RESTORED).exists()
    audited = await asyncio.to_thread(run, "audit", "--data", str(restored))
    assert (audited.returncode, "the ledger is consistent" in audited.stdout) == (0, True)

    with embedded.start(restored) as server:
        async with db.connected(server.url):
            assert await db.fetch("SELECT id FROM send ORDER BY id") == before
            assert await db.statuses() == {"SENT": 1, "QUEUED": 1, "UNKNOWN": queued}
            assert await db.statuses(sent) == {"SENT": 1}
            assert await db.statuses(later.id) == {"QUEUED": 1}, "it is not due before 2040"
            assert await db.statuses(lost.id) == {}
            assert await doubt_queued(store, writer()) == 0, "it can be repeated"


async def test_what_was_restored_half_way_is_not_sent(main: Standby, tmp_path: Path) -> None:
    kept, restored = tmp_path / "kept", tmp_path / "restored"
    done = backups.backup(tmp_path / "data", kept)
    with (done.path / "postgresql.auto.conf").open("a") as file:
        file.write("recovery_target_time = '2026-11-01T00:00:00+00:00'\n")  # of an earlier restore
    assert backups.restore(kept, restored, until=None) == done.path
    with pytest.raises(NotInstalled, match="after-restore"):
        check_settled(restored)
    with pytest.raises(CommandError, match="has a database already"):
        backups.restore(kept, restored, until=None)
    with pytest.raises(CommandError, match="oldest backup"):
        backups.restore(kept, tmp_path / "another", until=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(CommandError, match="has no backup"):
        backups.restore(tmp_path, tmp_path / "another", until=None)
    settings = (restored / "postgres" / "postgresql.auto.conf").read_text()
    assert "archive_" not in settings, "its log must not mix with that of the first server"
    assert "recovery_target_" not in settings, "all changes were asked for"
    shutil.rmtree(restored)


async def test_a_backup_that_fails_leaves_the_server_as_it_was(
    main: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, kept = tmp_path / "data", tmp_path / "kept"
    settings = data / "postgres" / "postgresql.auto.conf"
    for inside in (data, data / "backups", data / "postgres" / "kept"):
        with pytest.raises(CommandError, match="on another disk"):
            backups.backup(data, inside)
        assert not (inside / "of").exists()
    run_program = Cluster.run
    meanwhile = ""

    def full(cluster: Cluster, program: str, *arguments: str, **options: Any) -> Any:
        nonlocal meanwhile
        if program == "pg_basebackup":
            meanwhile = settings.read_text()
            return CompletedProcess([], 1, "", "No space left on device")
        return run_program(cluster, program, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "run", full)
        with pytest.raises(CommandError, match="No space"):
            backups.backup(data, kept)
    assert "archive_" not in settings.read_text(), "what is not archived stays on its disk for ever"
    backups.backup(data, kept)
    before = settings.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "run", full)
        with pytest.raises(CommandError, match="No space"):
            backups.backup(data, tmp_path / "another")
    assert settings.read_text() == before
    for directory in (kept, tmp_path / "another"):
        assert f"{directory}/wal/%f" in meanwhile, "its archive would lack a file"
    backups.backup(data, tmp_path / "another")
    assert f"{kept}/wal" not in settings.read_text()


async def test_a_time_after_the_last_change_is_named_and_can_be_corrected(
    main: Standby, tmp_path: Path
) -> None:
    kept, restored = tmp_path / "kept", tmp_path / "restored"
    backups.backup(tmp_path / "data", kept)
    (kept / "base-of-somebodyTelseZ").mkdir()

    async def restore(*to: str) -> tuple[int, str]:
        ended = await asyncio.to_thread(
            run, "restore", str(kept), *to, "--data", str(restored), "--json"
        )
        return ended.returncode, ended.stderr

    code, output = await restore("--to", "2040-01-01T00:00:00Z")
    assert (code, "Traceback" in output) == (1, False)
    assert "end before 2040-01-01T00:00:00Z: the last one is of " in output
    assert await restore() == (0, "")


async def test_the_newest_copy_before_the_wanted_time_is_taken(tmp_path: Path) -> None:
    times = ["20261129T163030Z", "20261129T163030.100000Z", "20261129T163030.700000Z"]
    for each in times:
        (tmp_path / f"base-{each}").mkdir()
        (tmp_path / f"base-{each}" / "postgresql.auto.conf").touch()
    wanted = datetime(2026, 11, 29, 16, 30, 30, tzinfo=UTC)
    taken = [
        backups.restore(tmp_path, tmp_path / f"data-{part}", until=wanted.replace(microsecond=part))
        for part in (0, 500_000, 900_000)
    ]
    assert [each.name.removeprefix("base-") for each in taken] == times


async def test_a_backup_does_not_mix_with_that_of_another_directory(tmp_path: Path) -> None:
    (tmp_path / "of").write_text("/somewhere/else\n")
    with pytest.raises(CommandError, match="Choose another"):
        backups.backup(tmp_path / "data", tmp_path)


def test_a_restore_says_whether_the_backup_has_later_changes(tmp_path: Path) -> None:
    """All that happened after the copy is lost if the server was not restarted after it."""
    copy = tmp_path / "base-20261120T083000.000000Z"
    copied_at = datetime(2026, 11, 20, 8, 30, tzinfo=UTC).timestamp()
    (tmp_path / backups.ARCHIVE).mkdir()
    for name, at, expected in (
        ("000000010000000000000002", copied_at - 60, False),
        ("000000010000000000000003.part", copied_at + 60, False),
        ("000000010000000000000003", copied_at + 60, True),
    ):
        file = tmp_path / backups.ARCHIVE / name
        file.touch()
        os.utime(file, (at, at))
        assert backups.has_later_changes(tmp_path, copy) is expected


@pytest.mark.parametrize(
    "name", ["ibiki dispatch", "ibiki dispatch 2f6C.7u-U", "ibiki up 2f6C.7u-U"]
)
async def test_the_queue_is_left_alone_while_a_dispatcher_runs(
    database_url: str, name: str
) -> None:
    await connect(database_url, application_name=name)
    try:
        with pytest.raises(DispatchersRunning):
            await doubt_queued(store, writer())
    finally:
        await disconnect()


async def test_an_external_server_is_backed_up_in_another_way(tmp_path: Path) -> None:
    ended = await asyncio.to_thread(
        run, "backup", str(tmp_path), DATABASE_URL="postgresql://ibiki@127.0.0.1/ibiki"
    )
    assert (ended.returncode, "for the embedded database" in ended.stderr) == (1, True)


async def test_changes_reach_the_archive_in_time_after_a_start(tmp_path: Path) -> None:
    with embedded.start(tmp_path / "data"):
        cluster = locate(tmp_path / "data", durable=True)
        await asyncio.to_thread(backups.backup, tmp_path / "data", tmp_path / "kept")
        cluster.execute("ALTER SYSTEM SET archive_timeout = '1s'")
    with embedded.start(tmp_path / "data"):
        cluster.execute("CREATE TABLE change ()")

        async def is_archived() -> bool:
            return cluster.execute("SELECT archived_count > 0 FROM pg_stat_archiver") == "t"

        await eventually(is_archived)


async def _more(accepted: list[str], enough: int) -> bool:
    return len(accepted) >= enough


async def _archived(cluster: Cluster) -> None:
    """All changes so far are in the archive."""
    name = cluster.execute("SELECT pg_walfile_name(pg_switch_wal());")

    async def is_there() -> bool:
        return cluster.execute("SELECT last_archived_wal FROM pg_stat_archiver;") >= name

    await eventually(is_there)


def _kill(cluster: Cluster) -> None:
    os.kill(int((cluster.path / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)
