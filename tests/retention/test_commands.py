"""`ibiki retention`, `ibiki set-retention` and `ibiki erase-person`."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from domain import ids
from domain.errors import InvalidPhoneNumber
from domain.ids import Kind
from domain.numbers import Normaliser
from ibiki.cli.retention import person_number, retention
from ibiki.retention import DailyRetention, ExportUnusable, Store
from ibiki.settings.retention import RetentionSettings
from tests import db
from tests.aging import as_superuser
from tests.end_to_end.program import run
from tests.inbox.post import PHONE
from tests.retention.old import Old, assert_proven, rows


async def ibiki(old: Old, directory: Path, *arguments: str) -> str:
    """What a command prints. Messages are kept for a month."""
    settings = {"DATABASE_URL": old.url, "IBIKI_DATA": str(directory), "RETENTION_MONTHS": "1"}
    ended = await asyncio.to_thread(run, *arguments, **settings)
    assert ended.stderr == ""
    assert ended.returncode == 0
    return ended.stdout


async def test_the_commands_print_what_they_drop(old: Old, tmp_path: Path) -> None:
    planned = await ibiki(old, tmp_path, "retention")
    assert re.fullmatch(
        r"Would drop \d+ rows\. Nothing was changed: add --apply\.", planned.splitlines()[-1]
    )
    assert await rows("message") == 12
    client = ids.encode(Kind.CLIENT, old.app.sibling.client_id)
    kept = await ibiki(old, tmp_path, "set-retention", client, "--months", "0")
    assert kept.endswith(": texts as in the settings, messages for ever.\n")
    files = str(tmp_path / "months")
    done = json.loads(
        await ibiki(old, tmp_path, "retention", "--apply", "--export", files, "--json")
    )
    [month] = done["files"]
    assert (Path(month) / "messages.csv.gz").exists()
    gone = {each["part"]: each["rows"] for each in done["found"]}
    assert gone["messages"] == 9
    assert await rows("message") == 3
    assert PHONE in [row["number"] for row in await db.fetch("SELECT number FROM contact")]
    erased = await ibiki(old, tmp_path, "erase-person", PHONE, "--apply")
    assert "contacts: 1 (" in erased
    assert PHONE not in [row["number"] for row in await db.fetch("SELECT number FROM contact")]
    await assert_proven()


def test_a_person_can_have_a_number_that_is_only_possible() -> None:
    """Such a person can write to us, and be erased."""
    normaliser = Normaliser()
    assert person_number(normaliser, "(202) 555-0143") == PHONE
    assert person_number(normaliser, "+49 170 123") == "+49170123"
    for wrong in ("68849", "SUPPORT"):
        with pytest.raises(InvalidPhoneNumber):
            person_number(normaliser, wrong)


async def test_retention_drops_nothing_if_the_ledger_is_inconsistent(
    old: Old, tmp_path: Path
) -> None:
    await as_superuser(
        old.url,
        "DELETE FROM ledger_checkpoint_account; DELETE FROM ledger_checkpoint;"
        " UPDATE account SET held = held + 1",
    )
    settings = {"DATABASE_URL": old.url, "IBIKI_DATA": str(tmp_path), "RETENTION_MONTHS": "1"}
    looked = await asyncio.to_thread(run, "retention", **settings)
    nothing, not_closed = looked.stdout.splitlines()
    assert nothing == "There is nothing to drop."
    assert not_closed.startswith(f"Not listed: {old.now - timedelta(days=100):%Y-%m}, ")
    ended = await asyncio.to_thread(run, "retention", "--apply", "--without-export", **settings)
    assert ended.returncode == 1
    assert "Run `ibiki audit`" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert await rows("message") == 12


def test_a_directory_of_exports_is_checked_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    nowhere, store = file / "months", cast("Store", None)
    settings = RetentionSettings.model_validate({"daily": True, "export": tmp_path / "new"})
    DailyRetention(store, settings)
    DailyRetention(store, settings.model_copy(update={"daily": False, "export": nowhere}))
    with pytest.raises(ExportUnusable, match=r"RETENTION_EXPORT: .* written to: Not a directory"):
        DailyRetention(store, settings.model_copy(update={"export": nowhere}))
    with pytest.raises(ExportUnusable, match=r"--export: .* cannot be written to: Not a directory"):
        retention(apply=True, export=nowhere, data=tmp_path)
