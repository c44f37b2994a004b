"""The embedded database survives every kind of exit, and the last command stops it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from ibiki.local import cluster, embedded
from ibiki.local.restarting import DatabaseRestarter

# A command that uses the database until its input ends, as `ibiki up` does until Ctrl-C.
COMMAND = """
import os, sys
from pathlib import Path
from ibiki.local import embedded

os.setuid(int(sys.argv[2]))  # after the imports: perhaps only root can read the interpreter's files
with embedded.start(Path(sys.argv[1]), durable=False) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its user")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped database with one row. Tests use copies of it."""
    directory = tmp_path_factory.mktemp("made")
    with embedded.start(directory, durable=False):
        sql(directory, "CREATE TABLE kept (note text); INSERT INTO kept VALUES ('here')")
    return directory


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of a database. Its server is stopped after the test."""
    subprocess.run(["cp", "-a", str(made), str(tmp_path / "d")], check=True)
    yield tmp_path / "d"
    cluster.locate(tmp_path / "d", durable=False).stop()


def test_the_role_of_a_new_database_is_not_a_superuser(tmp_path: Path) -> None:
    with embedded.start(tmp_path):
        sql(tmp_path, "CREATE TABLE t (i int); REVOKE UPDATE ON t FROM ibiki")
        assert sql(tmp_path, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "f"
        assert sql(tmp_path, "SELECT has_table_privilege('t', 'UPDATE')") == "f"
        assert sql(tmp_path, "SHOW fsync") == "on"


def test_a_second_start_finds_the_rows_again_within_six_seconds(directory: Path) -> None:
    seconds = []
    for _ in range(3):  # the machine may be busy in one of them
        started_at = time.monotonic()
        with embedded.start(directory, durable=False):
            seconds.append(time.monotonic() - started_at)
            assert sql(directory, "SELECT note FROM kept") == "here"
        assert not is_running(directory)
    assert min(seconds) < 6


def test_a_start_after_killing_everything_finds_the_rows_again(directory: Path) -> None:
    seconds = []
    for killed in range(1, 4):  # the machine may be busy at one of the starts
        with command(directory) as user:
            sql(directory, "INSERT INTO kept VALUES ('committed')")
            user.kill()
            kill_server(directory)
        started_at = time.monotonic()
        with embedded.start(directory, durable=False):
            seconds.append(time.monotonic() - started_at)
            assert sql(directory, "SELECT count(*) FROM kept") == f"{1 + killed}"
    assert min(seconds) < 6


async def test_a_server_that_ends_while_it_is_used_is_started_again(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with embedded.start(directory, durable=False) as database:
        sql(directory, "INSERT INTO kept VALUES ('committed')")
        restarter = DatabaseRestarter(database)
        await restarter.look()
        assert caplog.messages == []
        kill_server(directory)
        config = directory / "postgres" / "postgresql.auto.conf"
        config.write_text("max_connections = 'a word'\n")  # as a full disk: it cannot start
        for _ in range(2):
            await restarter.look()
        config.write_text("")
        await restarter.look()
        assert sql(directory, "SELECT count(*) FROM kept") == "2"
    failed, started = caplog.messages
    assert "is tried again: configuration file" in failed
    assert started == "the embedded database had ended, and was started again"


async def test_a_server_is_not_stopped_after_its_file_of_users_was_deleted(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with embedded.start(directory, durable=False) as database:
        (directory / "postgres.users").unlink()
        for _ in range(2):
            await DatabaseRestarter(database).look()
        with embedded.start(directory, durable=False):
            pass  # a command that ends
        assert database.is_live
    assert not database.is_live
    assert caplog.messages == ["the file postgres.users was deleted, and is there again"]


def test_a_start_that_was_killed_while_it_created_the_database_can_be_repeated(
    tmp_path: Path,
) -> None:
    """Its initdb goes on, and writes to its directory while that is removed."""
    draft = tmp_path / "postgres.new"
    draft.mkdir()
    stopping = threading.Event()

    def write() -> None:
        while not stopping.is_set():
            with suppress(OSError):
                (draft / uuid4().hex).mkdir(parents=True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with embedded.start(tmp_path, durable=False):
            assert sql(tmp_path, "SELECT 1") == "1"
    finally:
        stopping.set()
        writer.join()


def test_a_server_that_outlives_a_killed_command_is_reused_and_stopped_later(
    directory: Path,
) -> None:
    with command(directory) as user:
        user.kill()
        user.wait()
    assert is_running(directory)
    server_pid = postmaster_pid(directory)
    with embedded.start(directory, durable=False):
        assert postmaster_pid(directory) == server_pid
    assert not is_running(directory)


def test_a_second_command_shares_the_server_and_leaves_it_running(directory: Path) -> None:
    with command(directory):
        server_pid = postmaster_pid(directory)
        with embedded.start(directory, durable=False):
            assert sql(directory, "SELECT note FROM kept") == "here"
        assert postmaster_pid(directory) == server_pid
        assert sql(directory, "SELECT note FROM kept") == "here"
        assert embedded.stop(directory) is False
    assert not is_running(directory)


def test_the_last_command_stops_the_server_that_another_started(directory: Path) -> None:
    with command(directory) as first:
        second = embedded.start(directory, durable=False)
        end(first)
        assert sql(directory, "SELECT note FROM kept") == "here"
        second.leave()
        second.leave()
    assert not is_running(directory)


def test_ctrl_c_reaches_the_command_and_not_the_server(directory: Path) -> None:
    with command(directory) as user:
        session = sql(directory, "SELECT pg_sleep(0.05); SELECT pg_backend_pid()")
        os.killpg(user.pid, signal.SIGINT)
        user.wait(timeout=60)
    assert session
    assert not is_running(directory)
    log = (directory / "postgres" / "server.log").read_text()
    assert log.rstrip().endswith("database system is shut down")


def test_two_first_starts_together_create_one_database(tmp_path: Path) -> None:
    started: list[embedded.EmbeddedDatabase] = []
    threads = [
        threading.Thread(target=lambda: started.append(embedded.start(tmp_path, durable=False)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=200)
    assert started[0].url == started[1].url
    started[0].leave()
    assert is_running(tmp_path)
    started[1].leave()
    assert not is_running(tmp_path)


@pytest.mark.parametrize("name", ["a 'quoted' $HOME \"näme\"", "long-" * 40])
def test_a_directory_may_have_any_name(directory: Path, name: str) -> None:
    elsewhere = directory.rename(directory.with_name(name))
    with command(elsewhere), embedded.start(elsewhere, durable=False):
        assert sql(elsewhere, "SELECT note FROM kept") == "here"
    assert not is_running(elsewhere)
    sockets = cluster.locate(elsewhere, durable=False).sockets
    assert sockets == elsewhere / "postgres" or not sockets.exists()
    elsewhere.rename(directory)


def test_another_process_with_the_recorded_pid_is_not_the_server(directory: Path) -> None:
    place = cluster.locate(directory, durable=False)
    become = {"user": place.uid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], **become) as bystander:  # type: ignore[call-overload]
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            path = directory / "postgres" / name
            path.write_text(
                f"{bystander.pid}\n{path.parent}\n0\n5432\n{path.parent}\n\n0 0\nready\n"
            )
            os.chown(path, place.uid, place.gid)
        with embedded.start(directory, durable=False):
            assert sql(directory, "SELECT note FROM kept") == "here"
        assert bystander.poll() is None
        bystander.kill()


def test_an_interrupted_creation_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with embedded.start(tmp_path, durable=False):
        assert sql(tmp_path, "SELECT 1") == "1"
    assert not (tmp_path / "postgres.new").exists()


def test_a_server_that_died_is_started_again_at_the_same_address(directory: Path) -> None:
    with embedded.start(directory, durable=False) as server:
        url = server.url
        kill_server(directory)
        assert not is_running(directory)
        server.ensure_running()
        assert server.url == url
        assert sql(directory, "SELECT note FROM kept") == "here"


def test_the_cluster_is_closed_to_other_users(directory: Path) -> None:
    with embedded.start(directory, durable=False):
        assert (directory / "postgres").stat().st_mode & 0o777 == 0o700
        assert (directory / "postgres" / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700


def test_a_database_of_another_version_is_left_alone(directory: Path) -> None:
    (directory / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(embedded.EmbeddedDatabaseUnavailable, match="belongs to PostgreSQL 17"):
        embedded.start(directory, durable=False)
    (directory / "postgres" / "PG_VERSION").unlink()
    with pytest.raises(embedded.EmbeddedDatabaseUnavailable, match="PG_VERSION: No such file"):
        embedded.start(directory, durable=False)
    (directory / "postgres" / "PG_VERSION").write_text("18\n")


def test_the_error_of_a_failed_start_contains_the_log(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "FAILED_STARTS_TIMEOUT_SECONDS", 0.0)
    (directory / "postgres" / "global" / "pg_control").rename(directory / "pg_control")
    with pytest.raises(embedded.EmbeddedDatabaseUnavailable, match="pg_control"):
        embedded.start(directory, durable=False)


def test_a_slow_start_is_not_a_failed_start(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "FAILED_STARTS_TIMEOUT_SECONDS", 0.0)
    with embedded.start(directory, durable=False):
        assert sql(directory, "SELECT note FROM kept") == "here"


def test_without_the_wheel_the_error_names_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(embedded.EmbeddedDatabaseUnavailable, match="Set DATABASE_URL, or install"):
        embedded.start(tmp_path)


@needs_root
def test_an_ordinary_user_owns_its_database(open_directory: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(open_directory, nobody.pw_uid, nobody.pw_gid)
    with command(open_directory, user=nobody.pw_uid):
        assert (open_directory / "postgres").stat().st_uid == nobody.pw_uid
        assert sql(open_directory, "SELECT 1") == "1"
    assert not is_running(open_directory)


@needs_root
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (0o700, "cannot be used: Permission denied. Choose another directory"),
        (0o755, "belongs to another user of this machine (uid 0)"),
    ],
)
def test_the_database_of_another_user_is_refused(
    open_directory: Path, mode: int, reason: str
) -> None:
    (open_directory / "postgres").mkdir()
    open_directory.chmod(mode)
    nobody = pwd.getpwnam("nobody")
    refused = subprocess.run(
        [sys.executable, "-c", COMMAND, str(open_directory), str(nobody.pw_uid)],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert reason in refused.stderr


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can access."""
    directory = Path(tempfile.mkdtemp(prefix="ibiki-open-"))
    yield directory
    shutil.rmtree(directory)


@contextmanager
def command(directory: Path, *, user: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A running command in its own process group. It exits at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(directory), str(user or os.getuid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("postgresql://ibiki@/ibiki?host=/")
        yield process
        end(process)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None and process.stdin is not None:
        process.stdin.close()
        process.wait(timeout=60)


def sql(directory: Path, statements: str) -> str:
    """The last line that psql prints, as the application's role."""
    place = cluster.locate(directory, durable=False)
    ran = place.run(
        "psql", "-XqAt", f"--host={place.sockets}", "-Uibiki", "-dibiki", "-c", statements,
        capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip().rpartition("\n")[2]


def is_running(directory: Path) -> bool:
    return cluster.locate(directory, durable=False).is_live()


def postmaster_pid(directory: Path) -> int:
    return int((directory / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def kill_server(directory: Path) -> None:
    """Kills the server and all its back ends at once, as a power cut would."""
    pid = postmaster_pid(directory)
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(directory))


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float = 60) -> None:
    give_up_at = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < give_up_at, "the condition was not met in time"
        time.sleep(0.01)
