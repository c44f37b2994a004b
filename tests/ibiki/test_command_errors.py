"""A command that fails prints a message with the cause and the fix, and no traceback."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from cryptography.fernet import Fernet

from domain.errors import TryAgain
from ibiki.cli import main as cli
from ibiki.local.embedded import EmbeddedDatabase
from persistence.servers import DatabaseUnusable, check_usable, sentence_of
from tests import databases
from tests.ports import free_port


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code of a command and its standard error."""

    code: int
    printed: str


Ibiki = Callable[..., Ended]


@pytest.fixture
def ibiki(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ibiki:
    """Runs a command that fails."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ibiki", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        printed = " ".join(capfd.readouterr().err.split())
        assert "Traceback" not in printed
        return Ended(ended.value.code, printed)

    return run


@pytest.mark.parametrize("command", ["audit", "sync"])
def test_a_read_only_command_creates_no_installation(
    ibiki: Ibiki, tmp_path: Path, command: str
) -> None:
    mistyped = tmp_path / "mistyped"
    ended = ibiki(command, "--data", str(mistyped))
    assert ended == Ended(
        1, f"{mistyped} holds no installation. Start `ibiki up` first, or choose another --data."
    )
    assert not mistyped.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["statement", "Acme", "--from", "soon"], "--from must be a date such as"),
        (["statement", "Acme", "--from", "2026-11-02", "--to", "2026-11-01"], "--from must be ear"),
        (["reconcile", "--since", "soon"], "--since must be a date"),
        (["export-unknowns", "--before", "soon"], "--before must be a time such as"),
        (["restore", "/backups", "--to", "soon"], "--to must be a date"),
        (["retention", "--apply"], "Give --export DIR to write messages"),
        (["check-provider", "misspelt"], "No such provider. These can be checked: "),
        (["check-provider", "kannel"], "Name Kannel's configuration: "),
    ],
)
def test_wrong_arguments_exit_with_2_before_anything_is_opened(
    ibiki: Ibiki, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ended = ibiki(*arguments, "--data", str(tmp_path))
    assert ended.code == 2
    assert ended.printed.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_an_argument_that_only_the_work_can_check_exits_with_2(
    ibiki: Ibiki, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for arguments in (["erase-person", "SUPPORT"], ["create-admin", "ada", "--password", "x" * 20]):
        assert ibiki(*arguments, "--data", str(tmp_path)).code == 2


def test_a_provider_without_an_account_is_reported_with_those_that_have_one(
    ibiki: Ibiki,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    ended = ibiki("check-provider", "simulated", "--data", str(tmp_path))
    assert ended.code == 1
    assert "Providers with an account: extreme." in ended.printed
    monkeypatch.setenv("EXTREME_API_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("EXTREME_API_KEY", "key")
    monkeypatch.setattr(
        sys, "argv", ["ibiki", "check-provider", "extreme", "--data", str(tmp_path)]
    )
    with pytest.raises(SystemExit):
        cli.main()
    assert capfd.readouterr().out.startswith("Problem in account pac_")


@pytest.mark.parametrize("command", ["up", "serve", "simulate"])
def test_an_invalid_port_is_refused(ibiki: Ibiki, tmp_path: Path, command: str) -> None:
    ended = ibiki(command, "--data", str(tmp_path), "--port", "99999")
    assert ended.code == 2
    assert "65535" in ended.printed


@pytest.mark.parametrize("command", ["up", "serve", "simulate"])
def test_a_used_port_is_refused(ibiki: Ibiki, tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = ibiki(command, "--data", str(tmp_path), "--port", str(port))
    assert ended.code == 1
    assert ended.printed.startswith(f"Cannot listen on 127.0.0.1:{port}")


@pytest.mark.parametrize("command", ["up", "dispatch", "migrate", "demo", "simulate"])
def test_a_directory_that_cannot_be_created_is_refused(
    ibiki: Ibiki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "below"
    port = ["--port", "0"] if command in ("up", "simulate") else []
    ended = ibiki(command, "--data", str(directory), *port)
    assert ended.code == 1
    assert ended.printed == (
        f"{directory} cannot be written to: Not a directory. Choose another directory with --data."
    )


@pytest.mark.parametrize("command", ["serve", "dispatch", "migrate", "audit", "sync", "demo"])
def test_a_database_that_does_not_answer_is_reported(
    ibiki: Ibiki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    port = free_port()
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ibiki:secret@127.0.0.1:{port}/ibiki")
    ended = ibiki(command, "--data", str(tmp_path))
    assert ended.code == 1
    assert ended.printed.startswith(f"PostgreSQL cannot be reached at 127.0.0.1:{port}, the ")
    assert f"Connect call failed ('127.0.0.1', {port})" in ended.printed
    assert ended.printed.endswith("Check that it runs, and that the address is right.")


@pytest.mark.parametrize("command", ["serve", "dispatch"])
def test_an_empty_database_is_reported(
    ibiki: Ibiki,
    database_server: EmbeddedDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_server.superuser_url)  # of an empty database
    ended = ibiki(command, "--data", str(tmp_path), *(["--port", "0"] * (command == "serve")))
    assert ended == Ended(1, "The database is empty. Run `ibiki migrate` first.")


def test_an_error_of_a_server_is_not_reported_as_no_answer(
    ibiki: Ibiki, database_server: EmbeddedDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = database_server.url + "&target_session_attrs=misspelt"
    monkeypatch.setenv("DATABASE_URL", wrong.replace("ibiki@", "ibiki:secret@"))
    ended = ibiki("migrate", "--data", str(tmp_path))
    assert (ended.code, "misspelt" in ended.printed, "secret" in ended.printed) == (1, True, False)

    async def refuses(**options: object) -> None:
        raise asyncpg.TooManyConnectionsError("sorry, too many clients already")

    monkeypatch.setattr(asyncpg, "connect", refuses)
    monkeypatch.setenv("DATABASE_URL", database_server.url)
    assert ibiki("migrate", "--data", str(tmp_path)).printed.endswith(
        "cannot be used as DATABASE_URL says: sorry, too many clients already."
    )


def test_files_that_postgresql_cannot_read_are_not_reported_as_missing_privileges() -> None:
    refused = 'could not access directory "base/16385": Permission denied'
    sentence = sentence_of(asyncpg.InsufficientPrivilegeError(refused))
    assert sentence is not None
    assert sentence.startswith(f"PostgreSQL cannot use its own files: {refused}.")
    assert "ALTER DATABASE" not in sentence


def test_a_command_says_why_the_database_is_unavailable() -> None:
    refused = asyncpg.ReadOnlySQLTransactionError(
        "cannot execute UPDATE in a read-only transaction"
    )
    outage = TryAgain()
    outage.__cause__ = refused
    for failure in (refused, outage):
        sentence = sentence_of(failure)
        assert sentence is not None
        assert sentence.startswith(f"The database is unavailable: {refused}. Check that")


@pytest.mark.parametrize(
    ("user", "database", "expected"),
    [
        ("ibiki", "misspelt", "has no database “misspelt”. Create it first."),
        (
            "misspelt",
            "ibiki",
            "rejects the user or the password of DATABASE_URL. Correct them there.",
        ),
    ],
)
def test_a_missing_database_or_a_rejected_login_is_reported(
    ibiki: Ibiki,
    database_server: EmbeddedDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    database: str,
    expected: str,
) -> None:
    url = urlsplit(database_server.url)._replace(netloc=f"{user}:secret@", path=f"/{database}")
    monkeypatch.setenv("DATABASE_URL", url.geturl())
    ended = ibiki("migrate", "--data", str(tmp_path))
    assert ended.code == 1
    assert ended.printed.endswith(expected)
    assert "secret" not in ended.printed


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_store_every_text_is_refused(
    database_server: EmbeddedDatabase, encoding: str
) -> None:
    name = f"test_{encoding.lower()}_{uuid4().hex}"
    await databases.execute(
        database_server.superuser_url,
        f"CREATE DATABASE {name} OWNER ibiki ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C'"
        " TEMPLATE template0",
    )
    url = urlsplit(database_server.url)._replace(path=f"/{name}").geturl()
    try:
        with pytest.raises(DatabaseUnusable, match=f"has the encoding {encoding}.*'UTF8'"):
            await check_usable(url)
    finally:
        await databases.drop(database_server, url)
