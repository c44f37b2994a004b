"""Months are exported before they are dropped."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from domain.retention.retention import RowKind, RowPage, Span
from domain.retention.rules import Retention
from ibiki.retention import Exporting, Store, export_months, run_retention
from persistence import store
from tests import db
from tests.inbox.post import PHONE
from tests.retention.old import ONE_MONTH, Old, rows, sums


async def exported(old: Old, exporting: Exporting) -> Path:
    """The only month that is exported."""
    files: list[Path] = []
    rules = await store.read_rules(ONE_MONTH)
    await export_months(store, rules, old.now, exporting, report_file=files.append, rest=0)
    [month] = files
    return month


async def test_months_are_exported_before_they_are_dropped(old: Old, tmp_path: Path) -> None:
    read = pytest.importorskip("pyarrow.parquet", reason="an optional package").read_table
    parquet = await exported(old, Exporting(tmp_path / "parquet", "parquet"))
    assert await rows("message") == 12, "an export drops nothing"
    files: list[Path] = []
    exporting = Exporting(tmp_path / "months")
    gone = [
        each
        async for each in run_retention(
            store, ONE_MONTH, old.now, exporting=exporting, report_file=files.append, rest=0
        )
    ]
    [month] = files
    assert list(month.parent.iterdir()) == [month]
    manifest = json.loads((month / "manifest.json").read_text())
    assert manifest["files"]["messages.csv.gz"]["rows"] == sums(gone)[RowKind.MESSAGES] == 10
    for name, facts in manifest["files"].items():
        content = (month / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == facts["sha256"]
        lines = list(csv.DictReader(gzip.decompress(content).decode().splitlines()))
        assert len(lines) == facts["rows"]
    messages = gzip.decompress((month / "messages.csv.gz").read_bytes()).decode()
    assert PHONE in messages
    found = [
        {k: v or "" for k, v in row.items()}
        for row in read(parquet / "messages.parquet").to_pylist()
    ]
    assert found == list(csv.DictReader(messages.splitlines()))


async def test_the_month_of_a_row_is_that_of_its_id(old: Old, tmp_path: Path) -> None:
    """By which it is dropped. Other times may be of the next month."""
    for time in ("message.created_at", "inbound.created_at", "attempt.started_at"):
        table, column = time.split(".")
        await db.execute(f"UPDATE {table} SET {column} = clock_timestamp()")
    await db.execute("UPDATE webhook_event SET received_at = clock_timestamp()")
    month = await exported(old, Exporting(tmp_path))
    manifest = json.loads((month / "manifest.json").read_text())
    assert manifest["files"]["messages.csv.gz"]["rows"] == 10


async def test_what_changes_during_an_export_stays(old: Old, tmp_path: Path) -> None:
    """Also a row that names an earlier moment, and the rows of a rule that is new."""
    sibling = old.app.sibling.client_id
    await store.set_retention(sibling, Retention(months=0))
    exports: list[RowKind] = []

    async def read_rows(kind: RowKind, span: Span, *, most: int) -> RowPage:
        page = await store.read_rows(kind, span, most=most)
        if kind is RowKind.MESSAGES and not exports:
            await db.execute(
                "UPDATE message SET status = 'DELIVERED', updated_at = clock_timestamp()"
                " - interval '1 minute' WHERE send_id = $1",
                old.single,
            )
            await store.set_retention(sibling, Retention())
        exports.append(kind)
        return page

    changing = cast(Store, SimpleNamespace(**{**vars(store), "read_rows": read_rows}))
    exporting = Exporting(tmp_path / "months")
    gone = [
        e async for e in run_retention(changing, ONE_MONTH, old.now, exporting=exporting, rest=0)
    ]
    assert sums(gone)[RowKind.MESSAGES] == 8
    left = await db.fetch("SELECT send_id, client_id FROM message")
    assert {old.single, old.unknown} < {row["send_id"] for row in left}
    assert sibling in {row["client_id"] for row in left}
    [month] = exporting.directory.iterdir()
    assert month.stat().st_mode & 0o077 == 0, "personal texts"
    events = gzip.decompress((month / "events.csv.gz").read_bytes()).decode()
    assert "original_id" in events.splitlines()[0].split(","), "it has the body of a repetition"
    await old.drop()
    assert await rows("message") == 2
    exports.clear()
    await export_months(changing, await store.read_rules(ONE_MONTH), old.now, exporting, rest=0)
    assert {RowKind.MESSAGES, RowKind.ATTEMPTS} == set(exports), (
        "the others were read to their end before"
    )
