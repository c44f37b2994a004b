"""`ibiki import`: its output, its exit codes, and that it can be killed at any moment."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests import db
from tests.end_to_end.program import clean_environment
from tests.ibiki.test_commands import ibiki
from tests.imports.test_legacy_logs import HEADER, lines_of
from tests.installations import App
from tests.sending.files.files import saved

SESSIONS_OF_OTHERS = """
SELECT FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND application_name <> 'tests'
"""


def written(tmp_path: Path, text: str) -> str:
    """A file with this text."""
    path = tmp_path / "file.csv"
    path.write_text(text)
    return str(path)


async def test_logs_are_imported_and_reconcile_charges_what_is_missing(
    app: App, database_url: str, tmp_path: Path
) -> None:
    file = written(tmp_path, lines_of(100))
    checked = await ibiki(database_url, tmp_path, "import", "legacy-logs", file, "--dry-run")
    assert checked.stdout == "100 lines can be imported. This was a dry run.\n"
    ended = await ibiki(database_url, tmp_path, "import", "legacy-logs", file)
    assert (ended.returncode, ended.stderr) == (0, "")
    first, advice = ended.stdout.splitlines()
    assert first == "100 lines read, 100 log lines added or changed."
    assert advice.startswith("Run `ibiki reconcile --dry-run` to see which charges are missing")
    again = await ibiki(database_url, tmp_path, "import", "legacy-logs", file, "--json")
    assert json.loads(again.stdout) == {
        "kind": "legacy-logs",
        "lines": 100,
        "sheet": None,
        "otherSheets": [],
        "imported": 0,
        "dryRun": False,
        "problemCount": 0,
        "problems": [],
    }
    charged = await ibiki(database_url, tmp_path, "reconcile")
    summary, *explanations = charged.stdout.splitlines()
    assert summary.startswith("100 sends and 100 messages checked, 97 units charged, 0 units ref")
    assert len(explanations) == 97
    assert explanations[0].endswith("1 credit was charged.")
    assert await db.held(app.owner.account_id) == 3
    once = await ibiki(database_url, tmp_path, "reconcile")
    assert once.stdout.endswith("Every charge matches its messages.\n")
    audited = await ibiki(database_url, tmp_path, "audit")
    assert audited.returncode == 0


async def test_a_wrong_file_exits_with_1_and_lists_what_to_do(
    app: App, database_url: str, tmp_path: Path
) -> None:
    text = lines_of(5) + "nobody@example.com,2026-01-05,1,0.03,=bad\n" * 25
    file, errors = written(tmp_path, text), tmp_path / "errors.csv"
    ended = await ibiki(database_url, tmp_path, "import", "legacy-logs", file)
    assert (ended.returncode, ended.stdout) == (1, "")
    first, second, *_, last = ended.stderr.splitlines()
    assert first == "25 of 30 lines cannot be imported. Nothing was imported."
    assert second.startswith("  line 7: No client has a user with the email nobody@example.com.")
    assert last == "  … and 5 more. --errors FILE writes all of them to a file."
    assert len(ended.stderr.splitlines()) == 22
    ended = await ibiki(
        database_url, tmp_path, "import", "legacy-logs", file, "--errors", str(errors)
    )
    assert ended.stderr.endswith(f"All of them are in {errors}.\n")
    rows = list(csv.reader(errors.read_text().splitlines()))
    assert rows[0] == ["line", "problem"]
    assert [row[0] for row in rows[1:]] == [str(line) for line in range(7, 32)]
    as_json = await ibiki(database_url, tmp_path, "import", "legacy-logs", file, "--json")
    figures = json.loads(as_json.stdout)
    assert (as_json.returncode, figures["problemCount"], figures["imported"]) == (1, 25, 0)
    assert figures["problems"][0]["line"] == 7
    assert await db.fetch("SELECT FROM imported_line") == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["invoices", "file.csv"], 2, "'invoices' is not one of"),
        (["balances", "missing.csv"], 2, "does not exist"),
        (["balances", "file.csv", "--client", "acme"], 2, "--client and --column are for contacts"),
        (["contacts", "file.csv", "--client", "who"], 1, "No client “who”."),
        (["contacts", "file.csv"], 1, "The file has no column client_email. Add it, or name the"),
    ],
)
async def test_a_wrong_command_says_what_to_do(
    app: App, database_url: str, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    written(tmp_path, "a,balance\nAnn,2025550123\n")
    kind, name, *options = arguments
    ended = await ibiki(database_url, tmp_path, "import", kind, str(tmp_path / name), *options)
    assert ended.returncode == code
    assert message in " ".join(ended.stderr.split())


async def test_contacts_of_one_client_are_imported_by_its_name(
    app: App, database_url: str, tmp_path: Path
) -> None:
    file = written(tmp_path, "Name,Phone\nAnn,2025550123\n")
    ended = await ibiki(database_url, tmp_path, "import", "contacts", file, "--client", "acme")
    assert ended.stdout == "1 line read, 1 contact added or changed.\n"


async def test_an_import_says_which_sheet_of_a_spreadsheet_it_has_read(
    app: App, database_url: str, tmp_path: Path
) -> None:
    book = Workbook()
    book.active.title = "Clients"
    for row in (["Name", "Phone"], ["Ann", "2025550123"]):
        book.active.append(row)
    book.create_sheet("Old").append(["Name", "Phone"])
    path = tmp_path / "contacts.xlsx"
    path.write_bytes(saved(book))
    arguments = ("import", "contacts", str(path), "--client", "acme")
    checked = await ibiki(database_url, tmp_path, *arguments, "--dry-run")
    ended = await ibiki(database_url, tmp_path, *arguments)
    sentence = "Only the sheet “Clients” was read, not “Old”."
    assert checked.stdout.splitlines()[0] == ended.stdout.splitlines()[0] == sentence
    figures = json.loads((await ibiki(database_url, tmp_path, *arguments, "--json")).stdout)
    assert (figures["sheet"], figures["otherSheets"]) == ("Clients", ["Old"])


async def test_an_import_that_is_killed_is_finished_by_the_next_one(
    app: App, database_url: str, tmp_path: Path
) -> None:
    count = 30_000
    file = written(
        tmp_path,
        HEADER + "".join(f"owner@example.com,2026-01-05,1,0.03,r{each}\n" for each in range(count)),
    )
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ibiki", "import", "legacy-logs", file, "--data", str(tmp_path)),
        env=clean_environment() | {"DATABASE_URL": database_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        while not await db.fetch("SELECT FROM imported_line LIMIT 1"):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    killed.kill()
    await killed.wait()
    async with asyncio.timeout(60):
        while await db.fetch(SESSIONS_OF_OTHERS):  # its COMMIT can be under way  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    (half,) = await db.fetch("SELECT count(*) AS lines FROM imported_line")
    assert 0 < half["lines"] < count
    ended = await ibiki(database_url, tmp_path, "import", "legacy-logs", file)
    assert ended.stdout.startswith(f"30,000 lines read, {count - half['lines']:,} log lines added")
    (row,) = await db.fetch("SELECT count(*) AS lines, sum(found)::int AS found FROM imported_line")
    assert (row["lines"], row["found"]) == (count, 900)
