"""The output and the exit codes of commands."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

from domain import ids
from domain.ids import Kind
from ibiki.cli.main import app
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.end_to_end.program import clean_environment, run
from tests.ledger.test_reconcile import send_charged
from tests.ports import free_port


@pytest.fixture
async def tenant(database_url: str) -> AsyncIterator[db.Tenant]:
    """A client with 1,000 credits in its own database."""
    async with db.connected(database_url):
        yield await db.add_client(await db.add_pool(held=1_000))


async def ibiki(
    url: str, directory: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command with the database at this address."""
    settings = {"DATABASE_URL": url, "IBIKI_DATA": str(directory), **environment}
    ended = await asyncio.to_thread(run, *arguments, **settings)
    assert "Traceback" not in ended.stderr
    return ended


async def test_an_audit_of_a_correct_ledger_succeeds(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    ended = await ibiki(database_url, tmp_path, "audit")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "2 accounts, 2 transfers and 0 messages: the ledger is consistent.\n"


async def test_a_command_works_if_its_caller_has_closed_its_standard_streams(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    started = await asyncio.create_subprocess_exec(
        *("sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "ibiki", "audit"),
        env=clean_environment() | {"DATABASE_URL": database_url, "IBIKI_DATA": str(tmp_path)},
    )
    assert await started.wait() == 0
    states = await db.fetch("SELECT state FROM ledger_audit")
    assert [row["state"] for row in states] == ["FINISHED"]


async def test_an_audit_that_was_killed_leaves_no_result_and_can_be_started_again(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_url, "IBIKI_DATA": str(tmp_path)}
    async with store.transaction() as tx:
        # The audit waits for this lock at its first page.
        await tx.execute("LOCK TABLE transfer IN ACCESS EXCLUSIVE MODE")
        killed = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ibiki", "audit", env=clean_environment() | settings
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await tx.fetch(
                "SELECT FROM pg_locks WHERE relation = 'transfer'::regclass AND NOT granted"
            ):
                await tx.execute("SELECT pg_sleep(0.05)")
        killed.kill()
        await killed.wait()
    refused = await ibiki(database_url, tmp_path, "audit")
    assert (refused.returncode, "running already" in refused.stderr) == (1, True)
    await db.execute("UPDATE ledger_audit SET checked_at = now() - interval '61 s'")
    again = await ibiki(database_url, tmp_path, "audit")
    assert again.returncode == 0
    states = await db.fetch("SELECT state FROM ledger_audit ORDER BY id")
    assert [row["state"] for row in states] == ["STOPPED", "FINISHED"]


async def test_a_failed_audit_exits_with_3_and_gives_advice(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    await db.execute("UPDATE account SET held = held + 7 WHERE id = $1", tenant.account_id)
    ended = await ibiki(database_url, tmp_path, "audit")
    assert ended.returncode == 3
    first, violation, advice = ended.stdout.splitlines()
    assert first.endswith("THE LEDGER IS INCONSISTENT.")
    assert str(tenant.account_id) in violation
    assert "docs/troubleshooting.md" in advice
    result = json.loads((await ibiki(database_url, tmp_path, "audit", "--json")).stdout)
    assert (result["holds"], result["violations"]) == (False, [violation])


async def test_reconcile_says_what_it_finds_and_corrects_it_once(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    await send_charged(tenant, 10, 4)
    looked = await ibiki(database_url, tmp_path, "reconcile", "--dry-run")
    assert (looked.returncode, looked.stderr) == (0, "")
    summary, explanation = looked.stdout.splitlines()
    assert summary.startswith("1 send and 10 messages checked, 6 units would be charged,")
    assert explanation.endswith("6 credits would be charged.")
    done = json.loads((await ibiki(database_url, tmp_path, "reconcile", "--json")).stdout)
    assert (done["chargedMissing"], done["refundedExcess"]) == (6, 0)
    assert [each["corrected"] for each in done["differences"]] == [True]
    again = await ibiki(database_url, tmp_path, "reconcile")
    assert again.stdout.endswith("Every charge matches its messages.\n")
    proven = await ibiki(database_url, tmp_path, "audit")
    assert proven.returncode == 0


@pytest.mark.parametrize(
    ("since", "code"), [("2100-01-01T00:00:00-03:00", 0), ("1712121200", 2), ("20261101", 2)]
)
async def test_reconcile_reads_since_as_it_is_written(
    database_url: str, tenant: db.Tenant, tmp_path: Path, since: str, code: int
) -> None:
    ended = await ibiki(database_url, tmp_path, "reconcile", "--since", since)
    runs = await db.fetch("SELECT since FROM reconciliation")
    assert (ended.returncode, "--since must be a date" in ended.stderr) == (code, bool(code))
    assert [row["since"].isoformat() for row in runs] == (
        [] if code else ["2100-01-01T03:00:00+00:00"]
    )


async def test_read_only_commands_do_not_migrate_a_database(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    await db.execute("DELETE FROM tortoise_migrations WHERE name LIKE '0002%'")
    for command in ("audit", "sync"):
        ended = await ibiki(database_url, tmp_path, command)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith(
            "The database lacks migrations of this version (0002_constraints)"
        )
    applied = await db.fetch("SELECT name FROM tortoise_migrations WHERE name LIKE '0002%'")
    assert applied == []


@pytest.mark.parametrize(
    ("provider", "settings", "advice"),
    [
        ("extreme", {"EXTREME_API_KEY": "s3cret"}, "The request went to {}"),
        (
            "egosms",
            {"EGOSMS_USERNAME": "me", "EGOSMS_PASSWORD": "s3cret"},
            "Check the address and the credentials of the account, and the network.",
        ),
    ],
)
async def test_a_failed_sync_says_what_to_check_and_changes_nothing(
    database_url: str,
    tenant: db.Tenant,
    tmp_path: Path,
    provider: str,
    settings: dict[str, str],
    advice: str,
) -> None:
    await db.execute("UPDATE provider_account SET provider = $1", provider)
    address = f"http://127.0.0.1:{free_port()}"
    settings = {"EXTREME_API_URL": address, "SMS_API_URL": address, **settings}
    ended = await ibiki(database_url, tmp_path, "sync", "--json", **settings)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert advice.format(address) in ended.stderr
    assert "The connection was refused. Its balance was never read." in ended.stderr
    assert "s3cret" not in ended.stderr


async def test_a_failed_sync_says_how_to_start_the_simulator(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    ended = await ibiki(database_url, tmp_path, "sync")
    assert ended.returncode == 1
    assert ended.stderr.startswith("The simulated provider has not been started. ")
    assert f"`ibiki simulate` runs in {tmp_path}" in ended.stderr


async def test_missing_database_privileges_are_reported_without_a_traceback(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    await db.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ibiki")
    ended = await ibiki(database_url, tmp_path, "audit")
    assert ended.returncode == 1
    assert "does not let the user of DATABASE_URL do this: permission denied" in ended.stderr


def test_every_command_takes_a_directory(tmp_path: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    without = [
        name
        for name, command in commands.items()
        if not any("--data" in each.opts for each in command.params)
    ]
    assert without == []


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"ibiki {version('ibiki')}\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_the_output_is_utf_8_whatever_the_locale_says(tmp_path: Path, encoding: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = ("up", "--data", str(tmp_path), "--port", port)
        ended = run(*command, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert (ended.returncode, ended.stdout) == (1, "Starting …\n")
    assert ended.stderr.startswith("Cannot listen on")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", ["export-schema", "--version"])
def test_output_to_a_full_disk_is_an_error_in_words(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "ibiki", command],
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            text=True,
            check=False,
            timeout=200,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        "The output cannot be written: No space left on device. Make space, and repeat the"
        " command.\n"
    )


def test_an_admin_is_not_created_without_a_password(tmp_path: Path) -> None:
    command = ["create-admin", "ada@example.com", "--data", str(tmp_path)]
    ended = run(*command)
    assert ended.returncode == 2
    assert "Set ADMIN_PASSWORD" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_as_the_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = run("serve", "--data", str(file), "--port", "0")
    assert ended.returncode == 1
    assert ended.stderr == f"{file} is not a directory. Choose another one with --data.\n"


async def test_a_dispatcher_waits_for_migrations_and_then_logs_its_start(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    await db.execute(
        "UPDATE tortoise_migrations SET name = '9999_of_later' WHERE name = '0002_constraints'"
    )
    dispatcher = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ibiki", "dispatch", "--data", str(tmp_path)),
        env=clean_environment() | {"DATABASE_URL": database_url},
        stderr=subprocess.PIPE,
    )
    try:
        log = dispatcher.stderr
        assert log is not None
        waits = json.loads(await log.readline())["event"]
        assert waits == "nothing is sent before `ibiki migrate` has run: lacks 0002_constraints"
        await db.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at)"
            " VALUES ('ibiki', '0002_constraints', now())"
        )
        events = [json.loads(await log.readline())["event"] for _ in range(2)]
    finally:
        dispatcher.terminate()
        exit_code = await dispatcher.wait()
    assert exit_code == 0
    assert events[0] == "the dispatcher is running"
    assert events[1].startswith("the database is of a newer release")
    assert events[1].endswith(": 9999_of_later")


async def test_all_in_one_process_warns_of_a_newer_database(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    await db.execute(
        "INSERT INTO tortoise_migrations (app, name, applied_at)"
        " VALUES ('ibiki', '9999_of_later', now())"
    )
    up = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ibiki", "up", "--port", "0", "--data", str(tmp_path)),
        env=clean_environment() | {"DATABASE_URL": database_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        log = up.stderr
        assert log is not None
        event = ""
        while not event.startswith("the database is of a newer release"):
            event = json.loads(await log.readline())["event"]
    finally:
        up.terminate()
        await up.wait()
    assert event.endswith(": 9999_of_later")


async def test_a_sync_of_an_account_that_a_client_does_not_own_says_what_to_do(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    ended = await ibiki(database_url, tmp_path, "sync", "--client", "Client")
    assert ended.returncode == 1
    assert ended.stderr == (
        "Client does not have its own provider account. Give it one with setProviderCredentials.\n"
    )
    ended = await ibiki(database_url, tmp_path, "sync", "--client", "nobody")
    assert ended.stderr.startswith("No client “nobody”.")


async def test_credentials_that_no_key_decrypts_are_named(
    database_url: str, tenant: db.Tenant, tmp_path: Path
) -> None:
    school = await db.add_school(held=0)
    await db.execute("UPDATE provider_account SET credentials = 'x' WHERE id = $1", school.pool.id)
    await db.execute(
        "INSERT INTO hook_endpoint (id, client_id, url, events, secret)"
        " VALUES ($1, $1, 'https://example.com/', '{}', 'x')",
        tenant.client_id,
    )
    ended = await ibiki(database_url, tmp_path, "rotate-keys", "--json")
    endpoint = ids.encode(Kind.HOOK_ENDPOINT, tenant.client_id)
    account = ids.encode(Kind.PROVIDER_ACCOUNT, school.pool.id)
    assert json.loads(ended.stdout) == {
        "rotated": 0,
        "secrets": 0,
        "unreadable": [account, endpoint],
    }
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"No key decrypts the credentials of {account}, {endpoint}.")
